#!/usr/bin/env python3
"""`quadra recover`: bring this installation back, for those who look for it here."""

from _quadra import become

if __name__ == "__main__":
    become("recover")
