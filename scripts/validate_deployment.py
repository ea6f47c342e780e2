#!/usr/bin/env python3
"""`quadra validate [--verbose] [URL]`: the checks of a deployment, for cron and pipelines. Exit code 1 when it fails."""

from _quadra import become

if __name__ == "__main__":
    become("validate")
