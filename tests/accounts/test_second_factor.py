"""A login with a code of an authenticator app, or with a recovery code; each once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from quadra.accounts.audit import list_entries
from quadra.accounts.second_factor import uri
from quadra.accounts.secrets_at_rest import decrypt, derive
from quadra.accounts.setup import Initialised
from quadra.accounts.tables import RecoveryCode, SecondFactor, User
from quadra.core import clock
from quadra.core.database import Database
from tests.accounts.conftest import PASSWORD, bearer

ADA = {"email": "ada@example.com", "password": PASSWORD}
FINDER = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]


class Watch:
    """The clock of the test, which stands until it is moved."""

    def __init__(self) -> None:
        self.now = clock.now()

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(clock, "now", watch)
    return watch


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(rate_limit_login=1000)


def code_at(secret: str, at: datetime) -> str:
    """By RFC 6238 itself: what an authenticator app shows."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(at.timestamp()) // 30), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@pytest.fixture
def factor(
    client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]], watch: Watch
) -> tuple[str, list[str]]:
    """Ada's secret and recovery codes; the code of now is used up."""
    make_user()
    token = log_in()
    begun = client.post("/api/auth/second-factor", json={"current_password": PASSWORD}, headers=token)
    assert begun.status_code == 200, begun.text
    secret = begun.json["secret"]
    rows = begun.json["qr"]
    assert {len(row) for row in rows} == {len(rows)}, "a square"
    assert [row[:7] for row in rows[:7]] == FINDER, "which begins with the mark that cameras look for"
    code = {"code": code_at(secret, watch.now)}
    confirmed = client.post("/api/auth/second-factor/confirm", json=code, headers=token)
    assert confirmed.status_code == 200, confirmed.text
    client.delete_cookie("quadra_session")
    return secret, confirmed.json["recovery_codes"]


def enter(client: FlaskClient, code: str | None = None) -> TestResponse:
    return client.post("/api/auth/login", json=ADA | ({} if code is None else {"code": code}))


def refused(answer: TestResponse) -> tuple[int, str]:
    assert "Set-Cookie" not in answer.headers
    return answer.status_code, answer.json["error"]["code"]


def test_codes_are_those_of_the_standard() -> None:
    at = datetime.fromisoformat("2005-03-18T01:58:29+00:00")
    assert code_at(base64.b32encode(b"12345678901234567890").decode(), at) == "081804"


def test_the_app_is_told_all_that_it_needs() -> None:
    told = uri(b"12345678901234567890", "ada@example.com")
    assert told.startswith("otpauth://totp/Quadra:ada%40example.com?")
    for part in ("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "digits=6", "period=30", "algorithm=SHA1", "issuer=Quadra"):
        assert part in told


def test_a_login_needs_a_code_which_is_taken_once(
    client: FlaskClient, factor: tuple[str, list[str]], watch: Watch
) -> None:
    secret, _ = factor
    assert refused(enter(client)) == (401, "second_factor_required")
    assert refused(enter(client, code_at(secret, watch.now))) == (401, "second_factor_wrong"), (
        "used by the confirmation"
    )
    watch.move(30)
    shown = code_at(secret, watch.now)
    assert enter(client, shown).status_code == 200
    assert refused(enter(client.application.test_client(), shown)) == (401, "second_factor_wrong")
    watch.move(-30)
    assert refused(enter(client, code_at(secret, watch.now))) == (401, "second_factor_wrong"), "an older one neither"


def test_a_clock_may_be_half_a_minute_wrong_and_no_more(
    client: FlaskClient, factor: tuple[str, list[str]], watch: Watch
) -> None:
    secret, _ = factor
    watch.move(300)
    late, early = watch.now - timedelta(seconds=60), watch.now + timedelta(seconds=60)
    assert refused(enter(client, code_at(secret, late))) == (401, "second_factor_wrong")
    assert refused(enter(client, code_at(secret, early))) == (401, "second_factor_wrong")
    assert enter(client, code_at(secret, watch.now - timedelta(seconds=30))).status_code == 200
    assert enter(client, code_at(secret, watch.now + timedelta(seconds=30))).status_code == 200


@pytest.mark.parametrize("code", ["000000", "12345", "1234567", "١٢٣٤٥٦", "abcdef", "-", "''", "a" * 64])
def test_what_is_no_code_of_now_is_wrong_and_noted(
    client: FlaskClient, database: Database, factor: tuple[str, list[str]], watch: Watch, code: str
) -> None:
    watch.move(60)
    assert refused(enter(client, code)) == (401, "second_factor_wrong")
    with database.read() as session:
        newest = list_entries(session, limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == ("stranger", "accounts.login.failed", "ada@example.com")


def test_a_wrong_password_says_nothing_of_a_second_factor(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    answer = client.post("/api/auth/login", json={**ADA, "password": "wrong horse battery"})
    assert refused(answer) == (401, "unauthorised")


def test_each_of_ten_recovery_codes_logs_in_once(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    _, codes = factor
    assert len(set(codes)) == 10
    assert enter(client, codes[0]).status_code == 200
    left = client.get("/api/auth/second-factor").json
    assert (left["enabled"], left["recovery_codes_left"]) == (True, 9)
    assert refused(enter(client, codes[0])) == (401, "second_factor_wrong")
    assert enter(client, codes[1].upper().replace("-", " ")).status_code == 200, "however it is typed"


def test_a_recovery_code_opens_no_other_account(
    client: FlaskClient, make_user: Callable[..., User], database: Database, factor: tuple[str, list[str]], watch: Watch
) -> None:
    other = make_user("bob@example.com")
    with database.begin() as session:
        key = derive("a secret of this test", purpose="second factor")
        session.add(SecondFactor(user_id=other.id, secret=key.encrypt(b"1" * 20).decode(), confirmed_at=watch.now))
    answer = client.post("/api/auth/login", json={**ADA, "email": "bob@example.com", "code": factor[1][0]})
    assert refused(answer) == (401, "second_factor_wrong")


def test_wrong_codes_are_limited_as_wrong_passwords_are(
    make_app: Callable[..., Flask], factor: tuple[str, list[str]]
) -> None:
    client = make_app(rate_limit_login=3).test_client()
    assert [enter(client, "000000").status_code for _ in range(4)] == [401, 401, 401, 429]


def test_a_begun_factor_asks_for_nothing_until_it_is_confirmed(
    client: FlaskClient, make_user: Callable[..., User], log_in: Callable[..., dict[str, str]]
) -> None:
    make_user()
    token = log_in()
    wrong = client.post("/api/auth/second-factor", json={"current_password": "wrong horse battery"}, headers=token)
    assert wrong.status_code == 401
    assert client.post("/api/auth/second-factor/confirm", json={"code": "000000"}, headers=token).status_code == 409
    assert client.post("/api/auth/second-factor", json={"current_password": PASSWORD}, headers=token).status_code == 200
    answer = client.post("/api/auth/second-factor/confirm", json={"code": "000000"}, headers=token)
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (400, ["code"])
    assert enter(client).status_code == 200


def test_it_is_turned_off_with_password_and_code(
    client: FlaskClient, database: Database, factor: tuple[str, list[str]]
) -> None:
    _, codes = factor
    token = {"X-CSRF-Token": enter(client, codes[0]).json["csrf_token"]}
    again = client.post("/api/auth/second-factor", json={"current_password": PASSWORD}, headers=token)
    assert again.status_code == 409, "a stolen session does not put its own app in place of the owner's"
    body = {"current_password": PASSWORD, "code": "000000"}
    assert client.post("/api/auth/second-factor/remove", json=body, headers=token).status_code == 401
    body["code"] = codes[1]
    assert client.post("/api/auth/second-factor/remove", json=body, headers=token).status_code == 200
    assert client.post("/api/auth/second-factor/remove", json=body, headers=token).status_code == 409
    assert enter(client).status_code == 200
    with database.read() as session:
        assert session.query(RecoveryCode).count() == 0


def test_new_recovery_codes_take_the_place_of_the_old_ones(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    _, codes = factor
    token = {"X-CSRF-Token": enter(client, codes[0]).json["csrf_token"]}
    body = {"current_password": PASSWORD, "code": codes[1]}
    made = client.post("/api/auth/second-factor/recovery-codes", json=body, headers=token).json["recovery_codes"]
    assert refused(enter(client.application.test_client(), codes[2])) == (401, "second_factor_wrong")
    assert enter(client, made[9]).status_code == 200


def test_an_admin_helps_who_lost_everything(
    client: FlaskClient, database: Database, factor: tuple[str, list[str]], started: Initialised
) -> None:
    admin = bearer(started.admin_key)
    users = {one["email"]: one["id"] for one in client.get("/api/users", headers=admin).json["users"]}
    path = f"/api/users/{users['ada@example.com']}"
    assert client.post(path, json={"second_factor": "off"}, headers=admin).status_code == 200
    assert enter(client).status_code == 200
    with database.read() as session:
        changed = [one for one in list_entries(session) if one.action == "accounts.user.changed"]
    assert [one.details for one in changed] == [{"second_factor": "off"}]


def test_the_database_alone_gives_no_secret_away(database: Database, factor: tuple[str, list[str]]) -> None:
    secret, codes = factor
    with database.read() as session:
        row = session.query(SecondFactor).one()
        kept = {one.sha256 for one in session.query(RecoveryCode)}
    assert secret not in row.secret
    assert base64.b32decode(secret) == decrypt(derive("a secret of this test", purpose="second factor"), row.secret)
    assert decrypt(derive("another secret", purpose="second factor"), row.secret) is None
    assert decrypt(derive("a secret of this test", purpose="another"), row.secret) is None
    assert not kept & set(codes)


def test_a_key_has_no_second_factor(client: FlaskClient, started: Initialised) -> None:
    for path in ("/api/auth/second-factor", "/api/auth/sessions"):
        assert client.get(path, headers=bearer(started.admin_key)).status_code == 403
        assert client.get(path).status_code == 401


def test_the_login_page_asks_for_the_code(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    token = client.get("/login").text.partition("token=[")[2].rstrip("]")
    asked = client.post("/login", data={**ADA, "csrf_token": token})
    assert (asked.status_code, "Enter the code" in asked.text) == (401, True)
    done = client.post("/login", data={"code": factor[1][0], "csrf_token": token, "next": "/live"})
    assert (done.status_code, done.location) == (303, "/live")


def test_the_page_asks_for_the_password_again_where_it_was_changed_meanwhile(
    client: FlaskClient, factor: tuple[str, list[str]], started: Initialised
) -> None:
    token = client.get("/login").text.partition("token=[")[2].rstrip("]")
    client.post("/login", data={**ADA, "csrf_token": token})
    admin = bearer(started.admin_key)
    ada = next(one for one in client.get("/api/users", headers=admin).json["users"] if one["email"] == ADA["email"])
    changed = client.post(f"/api/users/{ada['id']}", json={"password": "a better battery"}, headers=admin)
    assert changed.status_code == 200
    late = client.post("/login", data={"code": factor[1][0], "csrf_token": token})
    assert (late.status_code, "once more" in late.text) == (401, True)


def test_the_page_asks_for_the_password_again_after_some_minutes(
    client: FlaskClient, factor: tuple[str, list[str]], watch: Watch
) -> None:
    token = client.get("/login").text.partition("token=[")[2].rstrip("]")
    client.post("/login", data={**ADA, "csrf_token": token})
    watch.move(301)
    late = client.post("/login", data={"code": factor[1][0], "csrf_token": token})
    assert (late.status_code, "once more" in late.text) == (401, True)
    assert enter(client, factor[1][0]).status_code == 200, "the code was not used up"
