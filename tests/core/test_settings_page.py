"""The settings page says what the settings are."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values

from quadra.core.settings import Settings
from quadra.core.settings_page import example, page

ROOT = Path(__file__).parents[2]


def test_the_settings_page_is_made_from_the_settings() -> None:
    kept = (ROOT / "docs" / "settings.md").read_text()
    assert kept == page(), "make it anew: python -m quadra.core.settings_page > docs/settings.md"


def test_the_example_of_an_env_file_is_made_from_the_settings() -> None:
    kept = (ROOT / ".env.example").read_text()
    assert kept == example(), "make it anew: python -m quadra.core.settings_page env > .env.example"
    assert dotenv_values(ROOT / ".env.example") == {}, "copied as it is, it changes nothing"


def test_every_default_of_the_example_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("\n".join(line[2:] for line in example().splitlines() if line.startswith("# QUADRA_")))
    given = {name.removeprefix("QUADRA_").lower(): value for name, value in dotenv_values(file).items() if value}
    assert len(given) > 80
    assert Settings(**given).model_dump() == Settings().model_dump()
