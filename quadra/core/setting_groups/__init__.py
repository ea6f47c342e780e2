"""The settings, declared by group. `quadra/core/settings.py` puts them together."""
