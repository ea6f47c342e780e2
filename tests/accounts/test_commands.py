"""What people and scripts get from the commands of this room."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quadra.accounts.audit import list_entries
from quadra.accounts.keys import Key, find_key
from quadra.accounts.tables import User
from quadra.accounts.users import authenticate
from quadra.cli import quadra
from quadra.core.database import Database
from quadra.core.errors import Conflict, Invalid, NotFound, Unavailable

Run = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'quadra.db'}"


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("key create --scope read")`; errors that the door would print come out here."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("QUADRA_DATA_DIR", str(tmp_path))

    def run(line: str, stdin: str = "") -> Result:
        outcome = CliRunner().invoke(quadra, line.split(), input=stdin)
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return outcome

    return run


@pytest.fixture
def answer(run: Run) -> Callable[..., dict[str, Any]]:
    """What a command prints with --json: one object and nothing else."""

    def answer(line: str, stdin: str = "") -> dict[str, Any]:
        outcome = run(f"{line} --json", stdin)
        assert outcome.exit_code == 0
        body = json.loads(outcome.stdout)
        assert isinstance(body, dict)
        return body

    return answer


Answer = Callable[..., dict[str, Any]]


def key_behind(url: str, plain: str) -> Key | None:
    database = Database(url)
    with database.read() as session:
        found = find_key(session, plain)
    database.dispose()
    return found


def user_behind(url: str, email: str, password: str) -> User:
    database = Database(url)
    with database.read() as session:
        found = authenticate(session, email, password)
    database.dispose()
    return found


def test_init_prints_its_secrets_once(url: str, answer: Answer) -> None:
    first, second = answer("init"), answer("init")
    assert list(first) == ["project", "write_key", "admin_key", "admin_email", "admin_password"]
    assert key_behind(url, first["write_key"]).scope == "ingest"  # type: ignore[union-attr]
    assert user_behind(url, first["admin_email"], first["admin_password"]).role == "admin"
    assert second == {**first, "write_key": None, "admin_key": None, "admin_password": None}


def test_init_tells_a_person_what_to_keep_and_what_comes_next(run: Run) -> None:
    first, second = run("init").stdout, run("init").stdout
    assert "Write key  qk_" in first
    assert "quadra serve" in first
    assert "qk_" not in second
    assert "quadra user password admin@quadra.local" in second


def test_who_did_not_begin_yet_is_told_how(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no tables of Quadra. Next: quadra init"):
        run("project list")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere' / 'quadra.db'}")
    with pytest.raises(Unavailable, match=r"cannot be opened. Is QUADRA_DATA_DIR right.* quadra init"):
        run("project list")


def test_a_project_is_made_with_its_write_key(url: str, run: Run, answer: Answer) -> None:
    answer("init")
    made = answer("project create Shop --timezone Europe/Berlin --week-start sunday")
    assert list(made) == ["project", "write_key"]
    key = key_behind(url, made["write_key"])
    assert key is not None
    assert (key.project_slug, key.scope, key.timezone) == ("shop", "ingest", "Europe/Berlin")
    assert [project["slug"] for project in answer("project list")["projects"]] == ["default", "shop"]
    with pytest.raises(Conflict):
        run("project create Shop --slug shop")
    with pytest.raises(Invalid):
        run("project create Other --timezone Mars")


@pytest.mark.parametrize("scope", ["ingest", "read", "admin"])
def test_a_key_is_made_listed_and_revoked(url: str, run: Run, answer: Answer, scope: str) -> None:
    answer("init")
    made = answer(f"key create --project default --scope {scope} --origin https://example.com")
    key = key_behind(url, made["key"])
    assert key is not None
    assert (key.scope, key.origins) == (scope, ("https://example.com",))
    assert answer("key list")["keys"][0]["prefix"] == made["key"][:11]
    assert made["key"][:11] in run("key list").stdout
    assert answer(f"key revoke {made['id']}")["key"]["revoked_at"]
    assert key_behind(url, made["key"]) is None


def test_wrong_usage_exits_with_2_and_a_missing_project_is_an_error(run: Run, answer: Answer) -> None:
    answer("init")
    assert run("key create --scope root").exit_code == 2
    assert run("key create").exit_code == 2
    with pytest.raises(NotFound):
        run("key create --project missing --scope read")
    with pytest.raises(NotFound):
        run("key revoke 99")


def test_accounts_are_made_and_changed_from_the_shell(url: str, run: Run, answer: Answer) -> None:
    answer("init")
    made = answer("user create Ada@example.com --role editor --password-stdin", "correct horse battery\n")
    assert (made["email"], made["role"], "password" in made) == ("ada@example.com", "editor", False)
    assert user_behind(url, "ada@example.com", "correct horse battery").session_epoch == 0
    changed = answer("user password ada@example.com --generate")
    assert user_behind(url, "ada@example.com", changed["password"]).session_epoch == 1
    assert answer("user role ada@example.com viewer")["role"] == "viewer"
    assert answer("user disable ada@example.com")["disabled"] is True
    assert answer("user enable ada@example.com")["disabled"] is False
    assert [user["email"] for user in answer("user list")["users"]] == ["ada@example.com", "admin@quadra.local"]
    assert "ada@example.com" in run("user list").stdout
    with pytest.raises(Conflict):
        run("user disable admin@quadra.local")
    with pytest.raises(NotFound):
        run("user role eve@example.com viewer")
    with pytest.raises(Invalid):
        run("user create eve@example.com --password-stdin", "short\n")
    assert run("user create eve@example.com --password-stdin --generate").exit_code == 2


def test_a_role_in_one_project_is_given_and_taken_away(run: Run, answer: Answer) -> None:
    answer("init")
    answer("project create Shop")
    made = answer("user create ada@example.com --generate --project shop --role editor")
    assert (made["role"], made["projects"]) == ("none", {"shop": "editor"})
    refused = run("user create nobody@example.com --role none --project shop --generate")
    assert refused.exit_code == 2
    assert "name viewer, editor or admin as --role" in refused.output
    assert answer("user role ada@example.com admin --project shop")["projects"] == {"shop": "admin"}
    assert answer("user role ada@example.com viewer")["role"] == "viewer"
    assert "shop" in run("user list").output
    assert answer("user role ada@example.com none --project shop")["projects"] == {}
    with pytest.raises(NotFound):
        run("user role ada@example.com none --project shop")
    with pytest.raises(Conflict):
        run("user role admin@quadra.local viewer --project shop")
    refused = run("user create eve@example.com --generate --project shop --role none")
    assert (refused.exit_code, "eve@example.com" in run("user list").output) == (2, False)


def test_a_password_is_asked_for_twice_and_not_shown(url: str, run: Run, answer: Answer) -> None:
    answer("init")
    outcome = run("user create ada@example.com", "correct horse battery\ncorrect horse battery\n")
    assert outcome.exit_code == 0
    assert "battery" not in outcome.output
    assert user_behind(url, "ada@example.com", "correct horse battery").role == "viewer"


def test_what_the_shell_does_is_audited(url: str, answer: Answer) -> None:
    answer("init")
    answer("user create ada@example.com --generate")
    answer("user password ada@example.com --generate")
    answer("user disable ada@example.com")
    answer("key revoke 1")
    database = Database(url)
    with database.read() as session:
        entries = list_entries(session, limit=4)
    database.dispose()
    assert {entry.actor for entry in entries} == {"command"}
    assert [entry.action for entry in entries] == [
        "accounts.key.revoked",
        "accounts.user.changed",
        "accounts.user.password_changed",
        "accounts.user.created",
    ]
    assert "password" not in json.dumps([entry.details for entry in entries])
