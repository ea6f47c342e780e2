"""Backups that have been restored: take, keep, verify, restore, point in time, replicas, recover."""
