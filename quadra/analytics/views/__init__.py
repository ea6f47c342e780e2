"""Saved views, share links, and the SQL of the reports."""
