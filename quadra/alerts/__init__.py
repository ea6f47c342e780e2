"""Alerts: rules over the same lenses that pages ask, and the channels over which people are told."""
