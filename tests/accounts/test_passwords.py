"""Which passwords are taken: none that somebody tries first, at each door where one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from quadra.accounts.passwords import hash_password
from quadra.accounts.setup import Initialised
from quadra.accounts.tables import User
from quadra.core.errors import Invalid
from tests.accounts.conftest import PASSWORD, bearer
from tests.servers.commands import quadra_command

EMAIL, NAME = "ada.lovelace@example.com", "Augusta King"
REFUSED = {
    "short one": "10 to 1024",
    "aaaaaaaaaa": "repetition",
    "abcabcabcabc": "repetition",
    "passwordpassword": "repetition",
    "1234567890": "keyboard",
    "abcdefghijklmn": "keyboard",
    "qwertzuiop123456": "keyboard",
    "0987654321abcdef": "keyboard",
    "ada.lovelace@example.com": "e-mail",
    "ADA.Lovelace@Example.com": "e-mail",
    "\uff41da.lovelace1": "e-mail",
    "lovelace2026!": "e-mail",
    "Augusta-King-1": "e-mail",
    "Quadra2026!!": "e-mail",
    "password123": "leaks",
    "Password123": "leaks",
    "iLoveYou123": "leaks",
    "1q2w3e4r5t": "keyboard or leaks",
    "correcthorsebatterystaple": "leaks",
}


@pytest.mark.parametrize("password", REFUSED)
def test_what_is_guessed_first_is_not_taken(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        hash_password(password, email=EMAIL, name=NAME)
    assert any(reason in caught.value.message for reason in REFUSED[password].split(" or "))
    assert list(caught.value.fields) == ["password"]
    assert password not in caught.value.message


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "tF9x!k2mQp",
        "quadra is fed by seven otters",
        "augusta and the difference engine",
        "Пять рыжих лисиц",
        "红色的狐狸跳过七条河流",
        "8391 7246 0582",
    ],
)
def test_what_nobody_guesses_is_taken(password: str) -> None:
    assert hash_password(password, email=EMAIL, name=NAME).text.startswith("$argon2id$")


def test_each_door_where_a_password_is_chosen_refuses_a_leaked_one(
    client: FlaskClient, started: Initialised, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    user, admin = make_user(), bearer(started.admin_key)
    new = client.post("/api/auth/register", json={"email": "eve@example.com", "password": "password123"}, headers=admin)
    changed = client.post(f"/api/users/{user.id}", json={"password": "ada@example.com"}, headers=admin)
    own = client.post(
        "/api/auth/password", json={"current_password": PASSWORD, "new_password": "ada@example.com"}, headers=log_in()
    )
    assert [(answer.status_code, list(answer.json["error"]["fields"])) for answer in (new, changed, own)] == [
        (400, ["password"]),
        (400, ["password"]),
        (400, ["new_password"]),
    ]


def test_the_commands_refuse_one_too(tmp_path: Path) -> None:
    env = {"QUADRA_DATA_DIR": str(tmp_path)}
    assert quadra_command("init", env=env).returncode == 0
    assert quadra_command("user", "create", "eve@example.com", "--generate", env=env).returncode == 0
    for words in (("create", "eva.perez@example.com"), ("password", "eve@example.com")):
        done = quadra_command("user", *words, "--password-stdin", env=env)
        assert (done.returncode, "10 to 1024" in done.stderr) == (2, True)  # nothing stands on standard input


def test_an_old_password_that_is_not_taken_today_still_logs_in(
    client: FlaskClient, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quadra.accounts.passwords._why_not", lambda *_: "")
    make_user(password="password123")
    monkeypatch.undo()
    answer = client.post("/api/auth/login", json={"email": "ada@example.com", "password": "password123"})
    assert answer.status_code == 200
