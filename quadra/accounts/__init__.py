"""Projects, users, keys, roles, audit: who may do what."""
