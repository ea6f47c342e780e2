"""Pages and the live namespace."""
