"""Replicas of PostgreSQL: how they follow, and making one the primary."""
