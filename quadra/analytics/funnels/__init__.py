"""Funnels over any events: how far people got, and how long it took."""
