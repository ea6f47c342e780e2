"""Erase a person from all segments, and again after a restore."""
