"""docs/settings.md and .env.example, made from the settings themselves:

python -m quadra.core.settings_page > docs/settings.md
python -m quadra.core.settings_page env > .env.example
"""

from __future__ import annotations

import sys
import typing
from datetime import timedelta
from pathlib import Path
from typing import Any

from quadra.core.environment import OWN, PLAIN, RENAMED
from quadra.core.setting_types import (
    BaseSchedule,
    BucketName,
    CronTimes,
    Duration,
    HttpAddress,
    KafkaOptions,
    LogLevel,
    Networks,
    Origins,
    Words,
)
from quadra.core.settings import Settings

RENAMED_SAID = "; ".join(f"`{old}` is read as `{new}`" for old, new in RENAMED.items())
HEAD = """# Settings

Environment variables, read once at the start. A wrong value stops the start with the variable's name and what it accepts.
`QUADRA_X_FILE=/run/secrets/x` gives `QUADRA_X` its value from a file. Durations: `250ms`, `60s`, `10m`, `1h`, `7d`.

`.env` in the working directory, or the file that `QUADRA_ENV_FILE` names, is read too; what the environment itself says wins.
A `.env` that another user owns, root aside, or that others may write stops the start: look at it, then
`chown` or `chmod go-w` it, or name it.
`.env.example` lists every name. These are also read without the prefix: {plain}. {renamed}. `serve` and
`quadra doctor` say of unknown names, and of those of other systems, what to set instead.

This page is made from the code: `python -m quadra.core.settings_page > docs/settings.md`.

| variable | accepts | default | |
|---|---|---|---|
"""


EXAMPLE_HEAD = """# Settings of Quadra. Copy this file to .env and take the # away before what you change.
# Made from the code: python -m quadra.core.settings_page env > .env.example
"""

WRITTEN = {
    Networks: "list, with commas",
    Words: "list, with commas",
    Origins: "list, with commas",
    KafkaOptions: "list of `name=value`, with commas",
    HttpAddress: "address",
    BucketName: "text",
    CronTimes: "cron times (UTC)",
    BaseSchedule: "`weekly`, `daily`, `never`, cron times (UTC)",
}


def page() -> str:
    hints = typing.get_type_hints(Settings, include_extras=True)
    lines = []
    for name, field in Settings.model_fields.items():
        accepts = _accepts(hints[name], field.metadata)
        lines.append(f"| `QUADRA_{name.upper()}` | {accepts} | {_shown(field.default)} | {field.description or ''} |")
    names = ", ".join(f"`{name}`" for name in (*OWN, *PLAIN))
    return HEAD.format(plain=names, renamed=RENAMED_SAID) + "\n".join(lines) + "\n"


def example() -> str:
    """.env.example: every setting, its sentence and its default, each of them out of use."""
    hints = typing.get_type_hints(Settings, include_extras=True)
    lines = [EXAMPLE_HEAD]
    for name, field in Settings.model_fields.items():
        said = "; ".join(part for part in (field.description, _accepts(hints[name], field.metadata)) if part)
        lines.append(f"# {said}\n# QUADRA_{name.upper()}={_shown(field.default).strip('`')}\n".replace("`", ""))
    return "\n".join(lines)


def _accepts(hint: Any, metadata: list[Any]) -> str:
    hint = next((one for one in typing.get_args(hint) if one is not type(None)), hint) if _optional(hint) else hint
    if hint is Duration:
        return "duration"
    if hint in WRITTEN:
        return WRITTEN[hint]
    if hint is LogLevel:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(hint))
    signs = {"ge": "≥", "gt": ">", "le": "≤"}
    bounds = " ".join(
        f"{signs[kind]} {getattr(limit, kind)}" for limit in metadata for kind in signs if hasattr(limit, kind)
    )
    found = {int: "number", float: "number", bool: "true, false", str: "text", Path: "path"}[hint]
    return f"{found} {bounds}".strip()


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _shown(value: Any) -> str:
    if value in ("", None, []):
        return ""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
            if seconds >= size and seconds % size == 0:
                return f"`{seconds / size:g}{unit}`"
        return f"`{seconds * 1000:g}ms`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(example() if sys.argv[1:] == ["env"] else page())
