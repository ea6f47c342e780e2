"""Bring an installation back: one backup restored, or everything by `quadra recover`."""
