#!/usr/bin/env python3
"""When backups are due and what the worker did: `quadra backup schedule`. A worker takes them by itself; cron is not needed."""

from _quadra import become

if __name__ == "__main__":
    become("backup", "schedule")
