"""Point in time recovery of PostgreSQL: base backups, the archived log, and going back to a moment."""
