"""Synthetic traffic for the project `demo`, and for no other."""
