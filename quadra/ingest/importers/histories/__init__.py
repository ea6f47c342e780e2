"""What other tools export, as events: one file a tool, and its line in `formats.READERS`."""
