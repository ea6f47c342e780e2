"""`quadra user`: accounts from the shell, also where nobody can log in any more."""

from __future__ import annotations

import sys

import click
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy.orm import Session

from quadra.accounts import audit, second_factor
from quadra.accounts.passwords import hash_password, random_password
from quadra.accounts.tables import ROLES, User
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


@click.group()
def user() -> None:
    """Make, list and change the accounts of people."""


@user.command("create")
@click.argument("email")
@click.option("--name", default="", help="How they are called.")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@password_options[0]
@password_options[1]
@json_option
def create(email: str, name: str, role: str, from_stdin: bool, generate: bool, as_json: bool) -> None:
    """Make an account. Asks for the password unless an option says where it comes from."""
    password = _password(from_stdin, generate)
    hashed = hash_password(password, email=email, name=name)
    with opened() as runtime, runtime.database.begin() as session:
        made = create_user(session, email=email, password=hashed, role=role, name=name)
        _record(session, "accounts.user.created", made, role=role)
    shown = _shown(made, password if generate else UNSET)
    say(as_json, shown, [f"{made.email} may log in as {role}.", *_secret(shown)])


@user.command("list")
@json_option
def show(as_json: bool) -> None:
    """Everybody who has an account."""
    with opened() as runtime, runtime.database.read() as session:
        rows = [_shown(item) for item in list_users(session)]
    say(as_json, {"users": rows}, table(("id", "email", "name", "role", "disabled"), rows))


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
    shown = _shown(changed, password if generate else UNSET)
    say(as_json, shown, [f"{changed.email} has a new password.", *_secret(shown)])


@user.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@json_option
def change_role(email: str, role: str, as_json: bool) -> None:
    """Make somebody viewer, editor or admin."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = set_role(session, user_id=find_user(session, email).id, role=role)
        _record(session, "accounts.user.changed", changed, role=role)
    say(as_json, _shown(changed), [f"{changed.email} is {role} now."])


@user.command("second-factor-off")
@click.argument("email")
@json_option
def second_factor_off(email: str, as_json: bool) -> None:
    """Let somebody who lost app and recovery codes log in with the password alone."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = find_user(session, email)
        removed = second_factor.remove(session, user_id=changed.id)
        _record(session, "accounts.second_factor.removed", changed)
    done = f"{changed.email} logs in with the password alone." if removed else f"{changed.email} had no second factor."
    say(as_json, _shown(changed), [done])


@user.command("disable")
@click.argument("email")
@json_option
def disable_command(email: str, as_json: bool) -> None:
    """Close an account and end its sessions."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = disable(session, user_id=find_user(session, email).id)
        _record(session, "accounts.user.changed", changed, disabled=True)
    say(
        as_json, _shown(changed), [f"{changed.email} is logged out and cannot log in. Undo: quadra user enable {email}"]
    )


@user.command("enable")
@click.argument("email")
@json_option
def enable_command(email: str, as_json: bool) -> None:
    """Open a closed account again."""
    with opened() as runtime, runtime.database.begin() as session:
        changed = enable(session, user_id=find_user(session, email).id)
        _record(session, "accounts.user.changed", changed, disabled=False)
    say(as_json, _shown(changed), [f"{changed.email} may log in again."])


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
    disabled: bool
    password: str | UnsetType = UNSET
    """Where it was generated, shown only now."""


def _shown(user: User, password: str | UnsetType = UNSET) -> ShownUser:
    return ShownUser(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        disabled=user.disabled_at is not None,
        password=password,
    )


def _secret(shown: ShownUser) -> list[str]:
    return [f"  Password, shown only now: {shown.password}"] if shown.password is not UNSET else []


def _record(session: Session, action: str, found: User, **details: object) -> None:
    audit.record(session, actor=audit.COMMAND, action=action, subject=found.email, details=details)
