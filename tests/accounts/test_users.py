from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy.orm import Session

import quadra.tables
from quadra.accounts import passwords
from quadra.accounts.passwords import Hashed, hash_again, hash_password
from quadra.accounts.tables import User
from quadra.accounts.users import (
    authenticate,
    create_user,
    disable,
    enable,
    find_user,
    get_user,
    normalise_email,
    record_login,
    set_password,
    set_role,
)
from quadra.core.database import Base, Database
from quadra.core.errors import Conflict, Invalid, NotFound, Unauthorised
from tests.accounts.conftest import PASSWORD

assert quadra.tables.ALL


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url)
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()


def test_an_address_is_one_account_however_it_is_typed(any_database: Database) -> None:
    hashed = hash_password(PASSWORD, email="ada@example.com")
    with any_database.begin() as session:
        create_user(session, email="  Ada@Example.COM ", password=hashed)
    with any_database.begin() as session:
        with pytest.raises(Conflict):
            create_user(session, email="ada@example.com", password=hashed)
        create_user(session, email="áda@example.com", password=hashed)  # another address, also for MariaDB
    with any_database.read() as session:
        assert authenticate(session, "ADA@example.com\n", PASSWORD).email == "ada@example.com"


def test_a_full_width_address_is_the_same_as_the_plain_one() -> None:
    assert normalise_email("\uff21da@example.com") == "ada@example.com"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada"),
        ("email", "ada@localhost"),
        ("email", "a da@example.com"),
        ("email", "a\x00@example.com"),
        ("email", "a" * 250 + "@example.com"),
        ("role", "root"),
        ("name", "a\nb"),
    ],
)
def test_a_wrong_field_of_a_user_is_named(database: Database, field: str, value: str) -> None:
    with pytest.raises(Invalid) as caught, database.begin() as session:
        create_user(session, **{"email": "ada@example.com", "password": Hashed("x"), field: value})
    assert list(caught.value.fields) == [field]


def test_a_megabyte_is_no_address_and_is_not_normalised_to_find_that_out() -> None:
    """One character becomes eighteen by NFKC at the most, and costs as much."""
    assert len(normalise_email("\ufdfa" * 1_000_000)) < 20_000


@pytest.mark.parametrize("password", ["", "ninechars", "x" * 1025])
def test_a_password_has_bounds(password: str) -> None:
    with pytest.raises(Invalid):
        hash_password(password, email="ada@example.com")


def test_the_table_keeps_an_argon2id_hash(make_user: Callable[..., User]) -> None:
    assert make_user().password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.com", "wrong horse battery"),
        ("ada@example.com", ""),
        ("eve@example.com", PASSWORD),
        ("a\x00", PASSWORD),
        ("ada@example.com", "x" * 1_000_000),
    ],
)
def test_a_stranger_is_refused_whatever_is_wrong(
    database: Database, make_user: Callable[..., User], email: str, password: str
) -> None:
    make_user()
    with database.read() as session, pytest.raises(Unauthorised, match="e-mail address or the password"):
        authenticate(session, email, password)


def test_an_unknown_address_costs_the_same_work_as_a_wrong_password(
    database: Database, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "hasher", PasswordHasher())
    make_user()
    took = {"ada@example.com": 9.0, "eve@example.com": 9.0}
    with database.read() as session:
        for email in list(took) * 4:
            start = time.process_time()
            with pytest.raises(Unauthorised):
                authenticate(session, email, "wrong horse battery")
            took[email] = min(took[email], time.process_time() - start)
    known, unknown = took.values()
    assert 0.5 < unknown / known < 2


def test_a_disabled_user_is_refused_and_may_be_enabled_again(
    database: Database, make_user: Callable[..., User]
) -> None:
    user = make_user()
    with database.begin() as session:
        disabled = disable(session, user_id=user.id)
        assert disabled.session_epoch == user.session_epoch + 1
    with database.read() as session, pytest.raises(Unauthorised, match="disabled"):
        authenticate(session, user.email, PASSWORD)
    with database.begin() as session:
        enable(session, user_id=user.id)
    with database.read() as session:
        assert authenticate(session, user.email, PASSWORD).id == user.id


def test_a_new_password_replaces_the_old_one_and_raises_the_epoch(
    database: Database, make_user: Callable[..., User]
) -> None:
    user = make_user()
    hashed = hash_password("a new password", email="ada@example.com")
    with database.begin() as session:
        assert set_password(session, user_id=user.id, password=hashed).session_epoch == user.session_epoch + 1
    with database.read() as session:
        assert authenticate(session, user.email, "a new password").id == user.id
        with pytest.raises(Unauthorised):
            authenticate(session, user.email, PASSWORD)


def test_a_login_renews_a_hash_made_with_other_parameters(
    database: Database, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    user = make_user()
    assert hash_again(user.password_hash, PASSWORD) is None
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    with database.begin() as session:
        record_login(session, user=user, rehashed=hash_again(user.password_hash, PASSWORD))
    with database.read() as session:
        renewed = authenticate(session, user.email, PASSWORD)
    assert "t=2" in renewed.password_hash
    assert renewed.last_login_at is not None


def test_a_login_that_a_password_change_overtook_is_refused(database: Database, make_user: Callable[..., User]) -> None:
    user = make_user()
    with database.begin() as session:
        set_password(session, user_id=user.id, password=Hashed("x"))
    with pytest.raises(Unauthorised), database.begin() as session:
        record_login(session, user=user)


def close(session: Session, user_id: int) -> User:
    return disable(session, user_id=user_id)


def demote(session: Session, user_id: int) -> User:
    return set_role(session, user_id=user_id, role="editor")


@pytest.mark.parametrize("change", [close, demote])
def test_the_last_admin_stays(
    database: Database, make_user: Callable[..., User], change: Callable[[Session, int], User]
) -> None:
    first, second = make_user("a@example.com", "admin"), make_user("b@example.com", "admin")
    with database.begin() as session:
        disable(session, user_id=second.id)
    with pytest.raises(Conflict), database.begin() as session:
        change(session, first.id)
    with database.read() as session:
        kept = get_user(session, first.id)
        assert (kept.role, kept.disabled_at, kept.session_epoch) == ("admin", None, 0)


def test_of_two_admins_who_demote_each_other_at_once_one_stays(any_database: Database) -> None:
    with any_database.begin() as session:
        ids = [create_user(session, email=f"{n}@example.com", password=Hashed("x"), role="admin").id for n in "ab"]
    for _ in range(5):
        together = threading.Barrier(2)

        def leave(user_id: int, together: threading.Barrier = together) -> bool:
            together.wait()
            try:
                with any_database.begin() as session:
                    set_role(session, user_id=user_id, role="viewer")
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, ids)) == [False, True]
        with any_database.begin() as session:
            for user_id in ids:
                set_role(session, user_id=user_id, role="admin")


def test_nobody_is_found_where_nobody_is(database: Database) -> None:
    with database.begin() as session:
        with pytest.raises(NotFound):
            find_user(session, "eve@example.com")
        with pytest.raises(NotFound):
            set_role(session, user_id=99, role="viewer")
