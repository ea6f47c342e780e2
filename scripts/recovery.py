#!/usr/bin/env python3
"""`quadra recover`: bring this installation back, from a checkout, with the environment that `make install` made."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quadra.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["recover"]
    main()
