#!/usr/bin/env python3
"""Recover the database to a moment, beside the living one: `quadra pitr`."""

from _quadra import become

if __name__ == "__main__":
    become("pitr")
