"""What the scripts here share: they work with any `python3`, since they hand over to the environment of Quadra."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

BIN = Path(__file__).resolve().parent.parent / ".venv" / "bin"


def become(*command: str) -> NoReturn:
    """Be `quadra <command>`, of this checkout's .venv or else of the PATH, with what this script was given."""
    quadra = shutil.which("quadra", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}")
    if quadra is None:
        sys.exit(f"There is no `quadra` in {BIN} or on the PATH: run `make install` first.")
    os.execv(quadra, [quadra, *command, *sys.argv[1:]])
