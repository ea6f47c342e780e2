"""Is Quadra well: liveness, readiness."""
