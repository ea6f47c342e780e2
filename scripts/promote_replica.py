#!/usr/bin/env python3
"""Make a replica the primary, with every check shown: `quadra replica promote`, for those who look for it here."""

import os
import sys
from pathlib import Path

QUADRA = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "quadra"

if __name__ == "__main__":
    os.execv(QUADRA, [str(QUADRA), "replica", "promote", *sys.argv[1:]])
