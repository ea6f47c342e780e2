"""Users: people who log in."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.accounts import passwords
from quadra.accounts.passwords import Hashed
from quadra.accounts.tables import INSTALLATION_ROLES, User
from quadra.core import clock
from quadra.core.errors import Conflict, Invalid, NotFound, Unauthorised

READ_OF_EMAIL = 1_000
"""Characters: what is longer is no address, however few NFKC makes of them, and a megabyte takes it a second."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def normalise_email(email: str) -> str:
    """One spelling for each address, whoever types it."""
    return unicodedata.normalize("NFKC", email[:READ_OF_EMAIL]).strip().lower()


def create_user(session: Session, *, email: str, password: Hashed, role: str = "viewer", name: str = "") -> User:
    """Raises `Invalid` with the wrong fields, `Conflict` when the address has an account already."""
    email, name = normalise_email(email), name.strip()
    fields = _wrong_role(role) | _wrong_name(name)
    if not is_email(email):
        fields["email"] = "an e-mail address such as ada@example.com"
    if fields:
        raise Invalid("The user cannot be made like this.", fields=fields)
    user = User(email=email, name=name, role=role, password_hash=password.text)
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError as error:
        raise Conflict(f"There is an account for {email} already.", fields={"email": "taken"}) from error
    return user


def authenticate(session: Session, email: str, password: str) -> User:
    """Who this is. Raises `Unauthorised`, after the same work for an unknown address as for a wrong password.

    Only reads. Whoever lets the user in calls `record_login` afterwards.
    """
    email = normalise_email(email)
    user = session.scalar(sa.select(User).where(User.email == email)) if is_email(email) else None
    fits = passwords.verify(None if user is None else user.password_hash, password)
    if user is None or not fits:
        raise Unauthorised("The e-mail address or the password is wrong.")
    if user.disabled_at is not None:
        raise Unauthorised("This account is disabled; ask an admin.", code="disabled")
    return user


def record_login(session: Session, *, user: User, rehashed: Hashed | None = None) -> None:
    """Note the login, and keep the password as `passwords.hash_again` made it.

    Raises `Unauthorised` when the account was disabled or its password changed since `authenticate`.
    """
    values: dict[str, Any] = {"last_login_at": clock.now()}
    if rehashed is not None:
        values["password_hash"] = rehashed.text
    same = (User.id == user.id, User.session_epoch == user.session_epoch, User.disabled_at.is_(None))
    if _update(session, *same, **values) == 0:
        raise Unauthorised("The account has just changed; log in again.")


def get_user(session: Session, user_id: int) -> User:
    """Raises `NotFound`."""
    if (user := session.get(User, user_id, populate_existing=True)) is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def look_for_user(session: Session, email: str) -> User | None:
    email = normalise_email(email)
    return session.scalar(sa.select(User).where(User.email == email)) if is_email(email) else None


def find_user(session: Session, email: str) -> User:
    """Raises `NotFound`."""
    user = look_for_user(session, email)
    if user is None:
        raise NotFound(f"There is no account for {normalise_email(email)!r}.")
    return user


def list_users(session: Session) -> list[User]:
    return list(session.scalars(sa.select(User).order_by(User.email)))


def set_password(session: Session, *, user_id: int, password: Hashed, epoch: int | None = None) -> User:
    """Ends every session of the user. Raises `NotFound`, and `Conflict` where the user has not the `epoch` any more."""
    same = (User.id == user_id,) if epoch is None else (User.id == user_id, User.session_epoch == epoch)
    values = {"password_hash": password.text, "session_epoch": User.session_epoch + 1}
    if _update(session, *same, **values) == 0 and epoch is not None:
        raise Conflict("The account has changed meanwhile.")
    return get_user(session, user_id)


def rename(session: Session, *, user_id: int, name: str) -> User:
    """Raises `Invalid`, `NotFound`."""
    name = name.strip()
    if fields := _wrong_name(name):
        raise Invalid("The name cannot be taken.", fields=fields)
    _update(session, User.id == user_id, name=name)
    return get_user(session, user_id)


def end_sessions(session: Session, *, user_id: int) -> User:
    """Every session of the user. Raises `NotFound`."""
    _update(session, User.id == user_id, session_epoch=User.session_epoch + 1)
    return get_user(session, user_id)


def set_role(session: Session, *, user_id: int, role: str) -> User:
    """Raises `Invalid`, `NotFound`, and `Conflict` rather than leave nobody who is admin."""
    if fields := _wrong_role(role):
        raise Invalid("There is no such role.", fields=fields)
    before = _hold_admins(session)
    _update(session, User.id == user_id, role=role)
    return _with_an_admin_left(session, user_id, before)


def disable(session: Session, *, user_id: int) -> User:
    """Ends every session of the user and takes no password. Raises `NotFound`, and `Conflict` for the last admin."""
    before = _hold_admins(session)
    at = (User.id == user_id, User.disabled_at.is_(None))
    _update(session, *at, disabled_at=clock.now(), session_epoch=User.session_epoch + 1)
    return _with_an_admin_left(session, user_id, before)


def enable(session: Session, *, user_id: int) -> User:
    """Takes back `disable`; sessions of before stay ended. Raises `NotFound`."""
    _update(session, User.id == user_id, disabled_at=None)
    return get_user(session, user_id)


ADMINS = (User.role == "admin", User.disabled_at.is_(None))


def _hold_admins(session: Session) -> int:
    # an update that changes nothing locks the rows in every database: of two admins who demote each other at the same
    # time, the second waits here and then finds itself the last one
    return _update(session, *ADMINS, role="admin")


def _with_an_admin_left(session: Session, user_id: int, before: int) -> User:
    user = get_user(session, user_id)
    if before and not session.scalar(sa.select(sa.func.count()).where(*ADMINS)):
        raise Conflict(f"{user.email} is the last admin; make another one first.")
    return user


def _update(session: Session, *where: sa.ColumnElement[bool], **values: Any) -> int:
    statement = sa.update(User).where(*where).values(**values).execution_options(synchronize_session=False)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def is_email(email: str) -> bool:
    return len(email) <= 254 and email.isprintable() and EMAIL.fullmatch(email) is not None


def _wrong_name(name: str) -> dict[str, str]:
    fine = len(name) <= 200 and (not name or name.isprintable())
    return {} if fine else {"name": "at most 200 printable characters"}


def _wrong_role(role: str) -> dict[str, str]:
    return {} if role in INSTALLATION_ROLES else {"role": "none, viewer, editor or admin"}
