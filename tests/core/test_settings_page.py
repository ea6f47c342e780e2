"""The settings page says what the settings are."""

from __future__ import annotations

from pathlib import Path

from quadra.core.settings_page import page


def test_the_settings_page_is_made_from_the_settings() -> None:
    kept = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert kept == page(), "make it anew: python -m quadra.core.settings_page > docs/settings.md"
