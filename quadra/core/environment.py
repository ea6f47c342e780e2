"""Where settings come from, before they are typed: the environment, `.env`, files that hold secrets, and names that people
bring along from other systems.

What was given in the environment itself always wins, and a name with the prefix wins over one without.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

from dotenv import dotenv_values

from quadra.core.errors import Misconfigured

OWN = ("DATABASE_URL", "REDIS_URL")
"""Settings that say themselves that they are read without the prefix."""
PLAIN = (
    *("REDIS_ENABLED", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB", "REDIS_MAX_CONNECTIONS", "REDIS_SSL"),
    *("REDIS_USE_SENTINEL", "REDIS_SENTINEL_HOSTS", "REDIS_SENTINEL_MASTER"),
    *("USE_STRUCTURED_LOGGING", "LOG_LEVEL", "KAFKA_BROKERS", "KAFKA_CLIENT_ID"),
)
"""Names that are read without the prefix as well."""
RENAMED = {
    "OPENAI_API_KEY": "QUADRA_LLM_API_KEY",
    "BACKUP_SECONDARY_STORAGE": "QUADRA_BACKUP_SECONDARY_DIR",
    "BACKUP_RETENTION_DAYS": "QUADRA_BACKUP_KEEP_DAYS",
}
"""Names of other systems -> the setting that does the same."""
ANSWERED = {
    "ACCOUNT_SIGNUPS_ENABLED": "QUADRA_REGISTRATION_OPEN is false unless you set it",
    "ADMIN_ID": "whoever has the role admin sees everything: `quadra user create --role admin`",
    "APP_SECRET": "QUADRA_SECRET_KEY signs session cookies",
    "BETTER_AUTH_SECRET": "QUADRA_SECRET_KEY signs session cookies",
    "BETTER_AUTH_URL": "QUADRA_PUBLIC_URL is what people type to come here",
    "CLIENT_IP_HEADER": "QUADRA_TRUSTED_PROXIES names the proxies whose X-Forwarded-For says who the visitor is",
    "COLLECT_API_ENDPOINT": "QUADRA_TRACKER_EVENTS_PATH gives the tracker's events a path of their own",
    "DISABLE_BOT_CHECK": "events of bots are kept and marked; `include_bots` counts them",
    "DISABLE_REGISTRATION": "QUADRA_REGISTRATION_OPEN is false unless you set it",
    "DISABLE_TELEMETRY": "Quadra calls nobody by itself",
    "DJANGO_SECRET_KEY": "QUADRA_SECRET_KEY signs session cookies",
    "FLASK_ENV": "QUADRA_ENVIRONMENT is development or production",
    "KAFKA_HOSTS": "QUADRA_KAFKA_BROKERS names the brokers",
    "NEXTAUTH_SECRET": "QUADRA_SECRET_KEY signs session cookies",
    "NEXT_PUBLIC_APP_URL": "QUADRA_PUBLIC_URL is what people type to come here",
    "NEXT_PUBLIC_SOCKET_URL": "the tracker's `data-api` names the server; Socket.IO is on the port of the dashboard",
    "REMOVE_TRAILING_SLASH": "pages are named without a slash at their end",
    "RETENTION_DAYS": "QUADRA_BACKUP_KEEP_DAYS says how long backups stay, QUADRA_RETENTION_DAYS how long events do",
    "SECRET_KEY_BASE": "QUADRA_SECRET_KEY signs session cookies",
    "SESSION_MEMORY_TIMEOUT": "a pause of 30 minutes ends a visit",
    "TRACKER_SCRIPT_NAME": "QUADRA_TRACKER_PATH gives the tracker a path of its own; it is also at /script.js and /js/script.js",
}
"""Names of other systems that are no settings here -> what does the same."""


def complete(fields: Collection[str]) -> None:
    """Put into the environment what stands elsewhere. `fields` are the settings. Raises `Misconfigured`."""
    os.environ.update(_env_file())
    os.environ.update(_secret_files(fields))
    os.environ.update(_without_prefix())


def given_as(setting: str) -> str:
    """The name that somebody typed for a setting."""
    plain = setting.removeprefix("QUADRA_")
    renamed = {new: old for old, new in RENAMED.items()}.get(setting, plain)
    return renamed if os.environ.get(renamed) and os.environ.get(renamed) == os.environ.get(setting) else setting


def given(fields: Collection[str]) -> dict[str, str]:
    """The settings that somebody gave, under the names with the prefix where there are both."""
    names = {*OWN, *(f"QUADRA_{name.upper()}" for name in fields)}
    return {name: os.environ[name] for name in names if name in os.environ}


def answered() -> dict[str, str]:
    """Names in the environment that other systems read -> what does the same here."""
    return {name: instead for name, instead in ANSWERED.items() if os.environ.get(name)}


def _env_file() -> dict[str, str]:
    """`.env` of the working directory, or the file that QUADRA_ENV_FILE names.

    The first is read wherever somebody types `quadra`, /tmp too: it is refused where another user could have written it. The
    second was named on purpose.
    """
    named = os.environ.get("QUADRA_ENV_FILE", "")
    path = Path(named or ".env")
    try:
        with path.open(encoding="utf-8-sig") as file:
            why = None if named else not_trusted(os.fstat(file.fileno()), me=os.geteuid())
            if why is not None:
                raise Misconfigured(f"{path.absolute()}: not read: {why}, or name the file with QUADRA_ENV_FILE.")
            values = dotenv_values(stream=file)
    except (FileNotFoundError, IsADirectoryError) as error:
        if not named:
            return {}
        raise Misconfigured(f"QUADRA_ENV_FILE: cannot read {path}: {error.strerror}") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured(f"{path.absolute()}: cannot read it: {why}. Settings may stand in it.") from error
    return {name: value for name, value in values.items() if value is not None and name not in os.environ}


def not_trusted(found: os.stat_result, *, me: int) -> str | None:
    """Why a file must not give settings to the user `me`, and what to do; None where nobody but that user and root wrote it."""
    if found.st_uid not in (me, 0):
        return f"it belongs to another user (uid {found.st_uid}); take it over with `chown` if you trust what it says"
    # a group of the owner's own number is the owner alone: files there are made writable for the group
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid != found.st_uid):
        return "other users may write it; look at what it says, then `chmod go-w` it"
    return None


def _secret_files(fields: Collection[str]) -> dict[str, str]:
    """`QUADRA_X_FILE=/run/secrets/x` gives `QUADRA_X` its value; the plain variable wins.

    A setting that is itself named so, such as `QUADRA_BACKUP_KEY_FILE`, is no such pair: its file need not be text.
    """
    secrets: dict[str, str] = {}
    for name, path in os.environ.items():
        if not name.endswith("_FILE") or not name.startswith(("QUADRA_", *OWN)) or name == "QUADRA_ENV_FILE":
            continue
        plain = name.removesuffix("_FILE")
        if plain in os.environ or name.removeprefix("QUADRA_").lower() in fields:
            continue
        try:
            secrets[plain] = Path(path).read_text().strip()
        except OSError as error:
            raise Misconfigured(f"{name}: cannot read {path}: {error.strerror}") from error
    return secrets


def _without_prefix() -> dict[str, str]:
    found = {}
    for name, setting in {**{name: f"QUADRA_{name}" for name in PLAIN}, **RENAMED}.items():
        value = os.environ.get(name, "")
        # Kubernetes and Docker links set REDIS_PORT=tcp://10.0.0.7:6379 in every container beside a service `redis`
        if not value or setting in os.environ or (name == "REDIS_PORT" and value.startswith("tcp://")):
            continue
        if name == "BACKUP_SECONDARY_STORAGE" and value.startswith("s3://"):
            if "QUADRA_BACKUP_S3" not in os.environ:
                found["QUADRA_BACKUP_S3"] = value.removeprefix("s3://").rstrip("/")
            continue
        found[setting] = value
    return found
