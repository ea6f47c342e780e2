"""Visits: where people came from, which pages they saw, and who of them did what a goal asks for."""
