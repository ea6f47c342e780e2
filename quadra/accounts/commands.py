"""`quadra init`, `project` and `key`. With --json a command prints one object; errors are left to `cli.py`."""

from __future__ import annotations

import click
from msgspec import Struct

from quadra.accounts import audit
from quadra.accounts.keys import list_keys, make_key, revoke_key
from quadra.accounts.projects import DEFAULT, create_project, get_project, list_projects
from quadra.accounts.setup import Initialised, initialise
from quadra.accounts.tables import SCOPES, WEEK_START, ApiKey
from quadra.accounts.terminal import json_option, opened, say, table
from quadra.core import clock, file_modes, migrate
from quadra.core.database import Database

project_option = click.option("--project", "slug", default=DEFAULT, show_default=True, help="Slug of the project.")


@click.command()
@click.option("--plan", is_flag=True, help="Say which migrations it has to do, and do nothing.")
@json_option
def init(plan: bool, as_json: bool) -> None:
    """Set up the database, the project `default`, an admin and the first keys. Run it as often as you like."""
    with opened(None) as runtime:  # modes are mended before anything is opened
        if plan:
            _say_plan(runtime.database, as_json)
            return
        file_modes.mend(runtime.settings)
        migrate.upgrade(runtime.database)
        with runtime.database.begin() as session:
            made = initialise(session, settings=runtime.settings)
    body = {
        "project": made.project,
        "write_key": made.write_key,
        "admin_key": made.admin_key,
        "admin_email": made.admin_email,
        "admin_password": made.admin_password,
    }
    say(as_json, body, welcome(made))


def _say_plan(database: Database, as_json: bool) -> None:
    migrate.wait_until_there(database)
    at = migrate.current(database)
    body = {
        "at": at,
        "head": migrate.head(),
        "pending": [one._asdict() for one in migrate.pending(at)],
        "steps": [one._asdict() for one in migrate.steps()],
    }
    lines = [f"{one.revision}  {'additive' if one.additive else 'breaking'}" for one in migrate.pending(at)]
    say(
        as_json, body, lines or [f"Nothing to migrate: the schema is at {at}, this version knows up to {body['head']}."]
    )


def welcome(made: Initialised) -> list[str]:
    """What a person reads after the first start; secrets once."""
    if not made.created:
        return [
            f"Quadra is set up already: project {made.project}, admin {made.admin_email}.",
            f"A lost password: quadra user password {made.admin_email}",
            "A new key: quadra key create --scope ingest",
        ]
    shown = {
        "Project": made.project,
        "Write key": made.write_key,
        "Admin key": made.admin_key,
        "Log in as": made.admin_email,
        "Password": made.admin_password,
    }
    return [
        "Quadra is set up. Keep these; they are shown only now:",
        *(f"  {label:<10} {value}" for label, value in shown.items() if value),
        "Next: quadra serve",
    ]


@click.group()
def project() -> None:
    """Make and list projects."""


@project.command("create")
@click.argument("name")
@click.option("--slug", help="Name in URLs; made from NAME when left out.")
@click.option("--timezone", default="UTC", show_default=True, help="Where its days begin, such as Europe/Berlin.")
@click.option("--week-start", default=WEEK_START, show_default=True, help="monday or sunday")
@json_option
def create_project_command(name: str, slug: str | None, timezone: str, week_start: str, as_json: bool) -> None:
    """Make a project and a write key for it."""
    with opened() as runtime, runtime.database.begin() as session:
        made = create_project(session, name=name, slug=slug, timezone=timezone, week_start=week_start)
        row, plain = make_key(session, project=made, scope="ingest", name="made with the project")
        for action, subject in (("accounts.project.created", made.slug), ("accounts.key.created", row.prefix)):
            audit.record(session, actor=audit.COMMAND, action=action, subject=subject, project_id=made.id)
    say(
        as_json,
        {"project": made.slug, "write_key": plain},
        [f"Project {made.slug} is there. Send it events with this write key, shown only now:", f"  {plain}"],
    )


@project.command("list")
@json_option
def list_projects_command(as_json: bool) -> None:
    """All projects."""
    with opened() as runtime, runtime.database.read() as session:
        found = list_projects(session)
    fields = ("slug", "name", "timezone", "week_start")
    rows = [{field: getattr(item, field) for field in fields} for item in found]
    say(as_json, {"projects": rows}, table(fields, rows) if rows else ["No project yet. Next: quadra init"])


@click.group()
def key() -> None:
    """Make, list and revoke keys."""


@key.command("create")
@project_option
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="What it opens.")
@click.option("--name", default="", help="What it is for.")
@click.option("--origin", "origins", multiple=True, help="A page that may use it, such as https://*.example.com.")
@json_option
def create_key_command(slug: str, scope: str, name: str, origins: tuple[str, ...], as_json: bool) -> None:
    """Make a key. It is shown only now."""
    with opened() as runtime, runtime.database.begin() as session:
        owner = get_project(session, slug)
        row, plain = make_key(session, project=owner, scope=scope, name=name, origins=origins)
        audit.record(
            session,
            actor=audit.COMMAND,
            action="accounts.key.created",
            subject=row.prefix,
            project_id=owner.id,
            details={"scope": scope},
        )
    body = {"key": plain, "id": row.id, "project": slug, "scope": scope, "prefix": row.prefix}
    say(as_json, body, [f"The {scope} key of {slug}, shown only now:", f"  {plain}"])


@key.command("list")
@project_option
@json_option
def list_keys_command(slug: str, as_json: bool) -> None:
    """The keys of a project, by what they begin with."""
    with opened() as runtime, runtime.database.read() as session:
        rows = [_shown(item) for item in list_keys(session, project_id=get_project(session, slug).id)]
    fields = ("id", "prefix", "scope", "name", "last_used_at", "revoked_at")
    empty = [f"No key yet. Next: quadra key create --project {slug} --scope ingest"]
    say(as_json, {"keys": rows}, table(fields, rows) if rows else empty)


@key.command("revoke")
@click.argument("key_id", type=int)
@json_option
def revoke_key_command(key_id: int, as_json: bool) -> None:
    """Revoke the key with this id (see `quadra key list`)."""
    with opened() as runtime, runtime.database.begin() as session:
        row = revoke_key(session, key_id=key_id)
        audit.record(
            session,
            actor=audit.COMMAND,
            action="accounts.key.revoked",
            subject=row.prefix,
            project_id=row.project_id,
        )
    say(as_json, {"key": _shown(row)}, [f"The key {row.prefix}… opens nothing any more."])


class ShownKey(Struct, kw_only=True):
    id: int
    prefix: str
    scope: str
    name: str
    origins: list[str]
    last_used_at: str | None
    revoked_at: str | None


def _shown(key: ApiKey) -> ShownKey:
    return ShownKey(
        id=key.id,
        prefix=key.prefix,
        scope=key.scope,
        name=key.name,
        origins=list(key.origins),
        last_used_at=clock.iso_or_none(key.last_used_at),
        revoked_at=clock.iso_or_none(key.revoked_at),
    )
