#!/usr/bin/env python3
"""Make a replica the primary, with every check shown: `quadra replica promote`."""

from _quadra import become

if __name__ == "__main__":
    become("replica", "promote")
