#!/usr/bin/env python3
"""`quadra validate URL`: the checks of a deployment, for cron and pipelines. Exit code 1 when it fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quadra.rollout.commands import validate_command

if __name__ == "__main__":
    validate_command()
