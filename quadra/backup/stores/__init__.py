"""Where backups are kept, in which form, and for how long."""
