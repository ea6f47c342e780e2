"""Doors for the SDKs of other products: each maps a foreign shape to events."""
