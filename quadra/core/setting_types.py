"""How the value of a setting may be written: durations, lists, addresses. A wrong one raises `ValueError` that says what is
accepted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: Any) -> Any:
    """`10m`, `60s`, `1.5h`, `250ms` or a number of seconds."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", str(value))
    if not match:
        raise ValueError("a duration such as 10m, 60s, 250ms or 1h")
    return timedelta(seconds=float(match[1]) * UNITS[match[2] or "s"])


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _networks(value: Any) -> Any:
    return [ip_network(word, strict=False) for word in _words(value)]


def _origins(value: Any) -> Any:
    for word in (words := _words(value)):
        if not re.fullmatch(r"https?://[^\s/?#]+", word):
            raise ValueError(f"{word!r} is no origin such as https://app.example.com: no path, no slash at the end")
    return words


def _http_address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/]+\S*", value):
        raise ValueError("an address such as https://api.example.com/v1")
    return value


def _cron_times(value: str) -> str:
    try:
        CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"five fields of cron such as '0 2 * * *' (UTC): {error}") from None
    return value


def _base_schedule(value: str) -> str:
    return value if value in ("weekly", "daily", "never") else _cron_times(value)


def _bucket_name(value: str) -> str:
    if value and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?", value):
        raise ValueError("bucket or bucket/prefix, without s3://")
    return value


def _kafka_options(value: Any) -> Any:
    for word in (words := _words(value)):
        if not re.fullmatch(r"[a-z0-9._]+\s*=.*", word):
            raise ValueError(f"{word!r} is no `name=value` such as security.protocol=SSL")
    return words


LEVELS = {"TRACE": "DEBUG", "NOTICE": "INFO", "WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}


def _log_level(value: Any) -> Any:
    """As other systems write it. `LOG_LEVEL` may be in the environment for another program."""
    upper = str(value).strip().upper()
    return LEVELS.get(upper, upper)


def data_directory(path: Path) -> Path:
    """Absolute. Raises `ValueError`."""
    absolute = path.absolute()
    if "\\" in str(absolute) and set("*?[") & set(str(absolute)):
        raise ValueError("QUADRA_DATA_DIR: no backslash beside *, ? or [ in its name, where DuckDB cannot read files")
    return absolute


LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_log_level)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_words)]
Origins = Annotated[list[str], NoDecode, BeforeValidator(_origins)]
HttpAddress = Annotated[str, AfterValidator(_http_address)]
KafkaOptions = Annotated[list[str], NoDecode, BeforeValidator(_kafka_options)]
CronTimes = Annotated[str, AfterValidator(_cron_times)]
BaseSchedule = Annotated[str, AfterValidator(_base_schedule)]
BucketName = Annotated[str, AfterValidator(_bucket_name)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_networks)]


def sentinel_address(word: str) -> tuple[str, int]:
    """`host`, `host:port` or `[v6]:port`. Raises `ValueError`."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([^\s:\[\]]+))(?::(\d{1,5}))?", word)
    if not found or not 0 < int(found[3] or 26379) < 65536:
        raise ValueError(f"QUADRA_REDIS_SENTINEL_HOSTS: {word!r} is not host:port")
    return found[1] or found[2], int(found[3] or 26379)


def with_driver(url: str) -> str:
    """Name the driver that Quadra installs where the URL names none."""
    for prefix, driver in (
        ("postgres://", "postgresql+psycopg://"),
        ("postgresql://", "postgresql+psycopg://"),
        ("mysql://", "mysql+pymysql://"),
        ("mariadb://", "mariadb+pymysql://"),
    ):
        if url.startswith(prefix):
            return driver + url[len(prefix) :]
    if not re.match(r"(sqlite|postgresql\+psycopg|(mysql|mariadb)\+pymysql)://", url):
        raise ValueError("DATABASE_URL: starts with sqlite://, postgresql://, mysql:// or mariadb://")
    return url
