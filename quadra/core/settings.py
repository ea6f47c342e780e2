"""Every setting, read once, here and nowhere else. A wrong value stops the start and names the variable."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from quadra.core import environment
from quadra.core.errors import Misconfigured
from quadra.core.setting_groups.backups import Backups
from quadra.core.setting_groups.events import Analysts, Ingest, Jobs, Sinks, Warehouse
from quadra.core.setting_groups.messages import Messages
from quadra.core.setting_groups.operating import Accounts, Health, Observing, Rollout
from quadra.core.setting_groups.redis import Redis
from quadra.core.setting_groups.serving import Serving
from quadra.core.setting_secrets import SECRET_ACCEPTED, why_guessable
from quadra.core.setting_types import data_directory, with_driver
from quadra.core.sqlite_file import sqlite_url


class Settings(
    Accounts,
    Rollout,
    Health,
    Observing,
    Backups,
    Warehouse,
    Messages,
    Sinks,
    Analysts,
    Jobs,
    Ingest,
    Redis,
    Serving,
    BaseSettings,
):
    """The environment, typed. Each name is `QUADRA_` + the field in capitals.

    The group named last comes first in docs/settings.md.
    """

    model_config = SettingsConfigDict(env_prefix="QUADRA_", extra="ignore", populate_by_name=True)

    @model_validator(mode="after")
    def _fill_in(self) -> Settings:
        self.data_dir = data_directory(self.data_dir)
        if not self.database_url:
            self.database_url = sqlite_url(self.data_dir / "quadra.db")
        self.database_url = with_driver(self.database_url)
        self.check_redis()
        self.check_llm()
        if self.environment == "production" and (why := why_guessable(self.secret_key)):
            raise ValueError(f"QUADRA_SECRET_KEY: it {why}. {SECRET_ACCEPTED}")
        return self

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


SECRET_NAMES = re.compile(r"SECRET|PASSWORD|TOKEN|KEY$")
PASSWORD_OF_A_URL = re.compile(r"(://[^/\s:@]*:)[^/\s]*@")
"""As far as the last @: a password that should have been escaped holds some itself."""


def load(**overrides: Any) -> Settings:
    """The settings of this process. `overrides` win over the environment. Raises `Misconfigured` with every wrong name."""
    environment.complete(Settings.model_fields)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(item) for item in error.errors())) from error


def _explain(item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return str(message)
    name = str(item["loc"][0]).upper()
    name = environment.given_as(name if name.startswith(("QUADRA_", *environment.OWN)) else f"QUADRA_{name}")
    return f"{name}={_shown(name, str(item['input']))!r} is not accepted: {_shown('', message)}"


def _shown(name: str, text: str) -> str:
    """What somebody set, without secrets: the sentence goes to logs of whatever started us."""
    return "***" if SECRET_NAMES.search(name) else PASSWORD_OF_A_URL.sub(r"\1***@", text)
