#!/usr/bin/env python3
"""Recover the database to a moment, beside the living one: `quadra pitr`, for those who look for it here."""

import os
import sys
from pathlib import Path

QUADRA = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "quadra"

if __name__ == "__main__":
    os.execv(QUADRA, [str(QUADRA), "pitr", *sys.argv[1:]])
