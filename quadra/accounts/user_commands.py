"""`quadra user`: accounts from the shell, also where nobody can log in any more."""

from __future__ import annotations

import sys

import click
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy.orm import Session

from quadra.accounts import audit, second_factor
from quadra.accounts.members import remove_member, roles_by_project, set_member
from quadra.accounts.passwords import hash_password, random_password
from quadra.accounts.projects import get_project
from quadra.accounts.tables import INSTALLATION_ROLES, InstallationRole, User
from quadra.accounts.terminal import json_option, opened, say, table
from quadra.accounts.users import (
    create_user,
    disable,
    enable,
    find_user,
    list_users,
    set_password,
    set_role,
)

password_options = (
    click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input."),
    click.option("--generate", is_flag=True, help="Make a random password and print it."),
)
project_option = click.option("--project", "slug", help="Only in this project.")


@click.group()
def user() -> None:
    """Make, list and change the accounts of people."""


@user.command("create")
@click.argument("email")
@click.option("--name", default="", help="How they are called.")
@click.option("--role", type=click.Choice(INSTALLATION_ROLES), default="viewer", show_default=True)
@project_option
@password_options[0]
@password_options[1]
@json_option
def create(
    email: str, name: str, role: InstallationRole, slug: str | None, from_stdin: bool, generate: bool, as_json: bool
) -> None:
    """Make an account. Asks for the password unless an option says where it comes from.

    With --project the role is one in that project, and the account sees no other.
    """
    if slug is not None and role == "none":
        raise click.UsageError(
            "--project gives a role there: name viewer, editor or admin as --role, or leave --project out for an account that "
            "sees no project yet."
        )
    password = _password(from_stdin, generate)
    hashed = hash_password(password, email=email, name=name)
    with opened() as runtime, runtime.database.begin() as session:
        everywhere = role if slug is None else "none"
        made = create_user(session, email=email, password=hashed, role=everywhere, name=name)
        _record(session, "accounts.user.created", made, role=everywhere)
        if slug is not None:
            _give(session, slug, made, role)
        shown = _shown(session, made, password if generate else UNSET)
    say(as_json, shown, [f"{made.email} may log in as {role}{_where(slug)}.", *_secret(shown)])


@user.command("list")
@json_option
def show(as_json: bool) -> None:
    """Everybody who has an account."""
    with opened() as runtime, runtime.database.read() as session:
        rows = [_shown(session, item) for item in list_users(session)]
    say(as_json, {"users": rows}, table(("id", "email", "name", "role", "projects", "disabled"), rows))


@user.command("password")
@click.argument("email")
@password_options[0]
@password_options[1]
@json_option
def change_password(email: str, from_stdin: bool, generate: bool, as_json: bool) -> None:
    """Give an account a new password; everywhere it is logged in, it is logged out."""
    password = _password(from_stdin, generate)
    with opened() as runtime:
        with runtime.database.read() as session:
            owner = find_user(session, email)
        hashed = hash_password(password, email=owner.email, name=owner.name)  # before the transaction: see passwords.py
        with runtime.database.begin() as session:
            changed = set_password(session, user_id=owner.id, password=hashed)
            _record(session, "accounts.user.password_changed", changed)
            shown = _shown(session, changed, password if generate else UNSET)
    say(as_json, shown, [f"{changed.email} has a new password.", *_secret(shown)])


@user.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(INSTALLATION_ROLES))
@project_option
@json_option
def change_role(email: str, role: InstallationRole, slug: str | None, as_json: bool) -> None:
    """Make somebody viewer, editor or admin: in all projects, or in one.

    With none they see only the projects that give them a role; none in a project takes away the one that it gave.
    """
    with opened() as runtime, runtime.database.begin() as session:
        changed = find_user(session, email)
        if slug is None:
            changed = set_role(session, user_id=changed.id, role=role)
            _record(session, "accounts.user.changed", changed, role=role)
        else:
            _give(session, slug, changed, role)
        shown = _shown(session, changed)
    say(as_json, shown, [f"{changed.email} is {role}{_where(slug)} now."])


@user.command("second-factor-off")
@click.argument("email")
@json_option
def second_factor_off(email: str, as_json: bool) -> None:
    """Let somebody who lost app and recovery codes log in with the password alone."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = find_user(session, email)
        removed = second_factor.remove(session, user_id=changed.id)
        _record(session, "accounts.second_factor.removed", changed)
        shown = _shown(session, changed)
    done = f"{changed.email} logs in with the password alone." if removed else f"{changed.email} had no second factor."
    say(as_json, shown, [done])


@user.command("disable")
@click.argument("email")
@json_option
def disable_command(email: str, as_json: bool) -> None:
    """Close an account and end its sessions."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = disable(session, user_id=find_user(session, email).id)
        _record(session, "accounts.user.changed", changed, disabled=True)
        shown = _shown(session, changed)
    say(as_json, shown, [f"{changed.email} is logged out and cannot log in. Undo: quadra user enable {email}"])


@user.command("enable")
@click.argument("email")
@json_option
def enable_command(email: str, as_json: bool) -> None:
    """Open a closed account again."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = enable(session, user_id=find_user(session, email).id)
        _record(session, "accounts.user.changed", changed, disabled=False)
        shown = _shown(session, changed)
    say(as_json, shown, [f"{changed.email} may log in again."])


def _password(from_stdin: bool, generate: bool) -> str:
    if from_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other.")
    if generate:
        return random_password()
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return entered


class ShownUser(Struct, kw_only=True):
    id: int
    email: str
    name: str
    role: str
    projects: dict[str, str]
    """Roles in single projects."""
    disabled: bool
    password: str | UnsetType = UNSET
    """Where it was generated, shown only now."""


def _shown(session: Session, user: User, password: str | UnsetType = UNSET) -> ShownUser:
    return ShownUser(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        projects=dict(roles_by_project(session).get(user.id, {})),
        disabled=user.disabled_at is not None,
        password=password,
    )


def _give(session: Session, slug: str, found: User, role: InstallationRole) -> None:
    """A role in a project, or with `none` no longer one."""
    project = get_project(session, slug)
    if role == "none":
        remove_member(session, project, found)
    else:
        set_member(session, project, found, role)
    verb = "removed" if role == "none" else "changed"
    audit.record(
        session,
        actor=audit.COMMAND,
        action=f"accounts.member.{verb}",
        subject=found.email,
        project_id=project.id,
        details={"role": role},
    )


def _where(slug: str | None) -> str:
    return "" if slug is None else f" in the project {slug}"


def _secret(shown: ShownUser) -> list[str]:
    return [f"  Password, shown only now: {shown.password}"] if shown.password is not UNSET else []


def _record(session: Session, action: str, found: User, **details: object) -> None:
    audit.record(session, actor=audit.COMMAND, action=action, subject=found.email, details=details)
