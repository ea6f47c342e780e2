"""Sign-in by OpenID against a fake issuer: who gets in, and every answer that is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from joserfc.jwk import OctKey, RSAKey

from quadra.accounts import openid, openid_http, second_factor
from quadra.accounts.audit import list_entries
from quadra.accounts.secrets_at_rest import derive
from quadra.accounts.tables import SecondFactor, User
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.settings import Settings, load
from tests.accounts.fake_issuer import CLIENT, RIGHT, SECRET, FakeIssuer, serving

START, CALLBACK = "/auth/oidc/start", "/auth/oidc/callback"


@pytest.fixture(scope="module")
def one_issuer() -> Iterator[FakeIssuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def issuer(one_issuer: FakeIssuer) -> FakeIssuer:
    one_issuer.__init__(urlsplit(one_issuer.url).port)  # type: ignore[misc]
    return one_issuer


@pytest.fixture
def settings(issuer: FakeIssuer) -> Settings:
    return load(
        secret_key="a secret of this test",
        rate_limit_enabled=False,
        oidc_issuer=issuer.url,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
    )


def begin(client: FlaskClient, query: str = "") -> str:
    answer = client.get(START + query)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def sign_in(client: FlaskClient, issuer: FakeIssuer, **more: str) -> Any:
    return client.get(_path(issuer.authorise(begin(client), **more)))


def _path(url: str) -> str:
    parts = urlsplit(url)
    assert parts.path == CALLBACK
    return f"{parts.path}?{parts.query}"


def me(client: FlaskClient) -> str | None:
    answer = client.get("/api/auth/me")
    return answer.json["user"]["email"] if answer.status_code == 200 else None


def test_somebody_whom_a_fake_issuer_vouches_for_gets_an_account_and_a_session(
    client: FlaskClient, issuer: FakeIssuer, database: Database
) -> None:
    back = client.get(_path(issuer.authorise(begin(client, "?next=/live%3Fproject%3Dshop"))))
    assert (back.status_code, back.headers["Location"]) == (303, "/live?project=shop")
    assert me(client) == "ada@example.com"
    with database.read() as session:
        user = session.scalars(sa.select(User).where(User.email == "ada@example.com")).one()
        noted = [(one.action, one.details.get("by")) for one in list_entries(session)][:2]
    assert (user.role, user.name) == ("viewer", "Ada")
    assert noted == [("accounts.login.succeeded", issuer.url), ("accounts.user.joined", issuer.url)]


def test_an_account_that_exists_is_joined_by_its_verified_address_and_keeps_its_role(
    client: FlaskClient, issuer: FakeIssuer, make_user: Callable[..., User], database: Database
) -> None:
    make_user(role="editor")
    issuer.claims["email"] = "Ada@Example.com"
    assert sign_in(client, issuer).status_code == 303
    assert client.get("/api/auth/me").json["role"] == "editor"
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).where(User.email == "ada@example.com")) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "yes"},
        {"email": "no address"},
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another", "azp": CLIENT},
        {"aud": ["quadra", "another"], "azp": "another"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=str,
)
def test_a_fake_token_that_claims_something_else_opens_nothing(
    client: FlaskClient, issuer: FakeIssuer, make_user: Callable[..., User], claims: dict[str, Any]
) -> None:
    make_user(role="admin")
    issuer.claims |= claims
    answer = sign_in(client, issuer)
    assert answer.status_code in (401, 403), answer.text
    assert "error=None" not in answer.text
    assert me(client) is None


def test_a_fake_token_of_another_key_opens_nothing(client: FlaskClient, issuer: FakeIssuer) -> None:
    issuer.signs_with = RSAKey.generate_key(2048, {"kid": "1"})
    assert (sign_in(client, issuer).status_code, me(client)) == (401, None)


def test_a_fake_token_signed_with_the_client_secret_opens_nothing(
    client: FlaskClient, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = openid.jwt.encode
    monkeypatch.setattr(
        "tests.accounts.fake_issuer.jwt.encode",
        lambda _header, claims, _key: encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET.ljust(32))),
    )
    assert (sign_in(client, issuer).status_code, me(client)) == (401, None)


def test_an_answer_is_taken_once_and_only_from_the_browser_that_began(client: FlaskClient, issuer: FakeIssuer) -> None:
    back = _path(issuer.authorise(begin(client)))
    held = client.get_cookie("quadra_session")
    assert held is not None
    stranger = client.application.test_client()
    assert (stranger.get(back).status_code, me(stranger)) == (401, None)
    assert client.get(back).status_code == 303
    # the same answer, with a copy of the cookie of then
    stranger.set_cookie("quadra_session", held.value)
    issuer.codes[parse_qs(urlsplit(back).query)["code"][0]] = {"nonce": "x", "code_challenge": "x"}
    before = len(issuer.asked)
    assert (stranger.get(back).status_code, me(stranger), len(issuer.asked)) == (401, None, before)


def test_a_state_that_is_another_or_too_old_is_refused(
    client: FlaskClient, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = _path(issuer.authorise(begin(client)))
    assert client.get(back.replace("state=", "state=x")).status_code == 401
    assert client.get(back).status_code == 401, "one wrong answer ends the sign-in"
    back = _path(issuer.authorise(begin(client)))
    later = clock.now() + 2 * openid.LASTS
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (client.get(back).status_code, me(client)) == (401, None)


def test_an_answer_of_another_issuer_and_a_refusal_are_told(client: FlaskClient, issuer: FakeIssuer) -> None:
    assert sign_in(client, issuer, iss="https://other.example").status_code == 401
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    answer = client.get(f"{CALLBACK}?error=access_denied&state={state}")
    assert (answer.status_code, "did not let you in" in answer.text) == (401, True)


def test_only_allowed_domains_sign_in_also_those_with_an_account(
    make_app: Callable[..., Any], issuer: FakeIssuer, make_user: Callable[..., User]
) -> None:
    make_user("eve@evil.example")
    client = make_app(oidc_allowed_domains=["Example.com"]).test_client()
    for email in ("eve@evil.example", "eve@notexample.com", "eve@sub.example.com"):
        issuer.claims["email"] = email
        assert sign_in(client, issuer).status_code == 403, email
    issuer.claims["email"] = "ada@example.com"
    assert sign_in(client, issuer).status_code == 303


def test_a_disabled_account_stays_out_and_a_second_factor_is_asked_for(
    client: FlaskClient, issuer: FakeIssuer, make_user: Callable[..., User], database: Database
) -> None:
    user = make_user()
    key = derive("a secret of this test", purpose="second factor")
    with database.begin() as session:
        second_factor.begin(session, user_id=user.id, key=key)
        session.execute(sa.update(SecondFactor).values(confirmed_at=clock.now()))
        code = second_factor.renew_recovery_codes(session, user_id=user.id)[0]
    page = sign_in(client, issuer)
    assert (page.status_code, "authenticator app" in page.text, me(client)) == (401, True, None)
    token = page.text.rpartition("token=[")[2].partition("]")[0]
    assert client.post("/login", data={"csrf_token": token, "code": code}).status_code == 303
    assert me(client) == "ada@example.com"
    with database.begin() as session:
        session.execute(sa.update(User).where(User.id == user.id).values(disabled_at=clock.now()))
    other = client.application.test_client()
    assert (sign_in(other, issuer).status_code, me(other)) == (401, None)


def test_an_address_that_only_the_userinfo_tells_is_taken(client: FlaskClient, issuer: FakeIssuer) -> None:
    issuer.claims = {}
    assert (sign_in(client, issuer).status_code, me(client)) == (303, "grace@example.com")
    issuer.claims = {"sub": "18"}
    other = client.application.test_client()
    assert (sign_in(other, issuer).status_code, me(other)) == (401, None)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", (302, {"Location": "http://127.0.0.1:1/"}, RIGHT)),
        ("/.well-known/openid-configuration", (200, {}, b" " * openid_http.MOST + RIGHT)),
        ("/.well-known/openid-configuration", (200, {}, b'{"issuer": "https://other.example"}')),
        ("/.well-known/openid-configuration", (200, {}, b"[]")),
        ("/keys", (500, {}, b"{}")),
        ("/keys", (200, {}, b'{"keys": 1}')),
    ],
    ids=["redirect", "too-much", "another-name", "no-object", "error", "no-keys"],
)
def test_a_fake_issuer_that_answers_nonsense_is_told_and_left_alone_for_a_while(
    client: FlaskClient, issuer: FakeIssuer, path: str, answer: tuple[int, dict[str, str], bytes]
) -> None:
    issuer.answers[path] = answer
    told = client.get(START)
    assert (told.status_code, "sign-in service" in told.text) == (503, True)
    asked = len(issuer.asked)
    assert (client.get(START).status_code, len(issuer.asked)) == (503, asked)


def test_in_production_nothing_is_asked_over_http_or_on_a_private_network_that_nobody_named(issuer: FakeIssuer) -> None:
    strict = load(secret_key="8f2c5e1a9b7d4036c8e1f5a2b9d7403e", environment="production", oidc_issuer=issuer.url)
    with pytest.raises(openid.Unavailable, match="https"):
        openid_http.Issuer(strict).get(issuer.url)
    with pytest.raises(openid.Unavailable, match="private network"):
        openid_http.Issuer(strict).get("https://127.0.0.2:1/keys")
    assert issuer.asked == []


def test_where_anybody_has_an_account_nobody_new_joins_unless_domains_are_named() -> None:
    google = load(oidc_issuer="https://accounts.google.com")
    assert not openid.may_join(google)
    assert openid.may_join(google.model_copy(update={"oidc_allowed_domains": ["example.com"]}))


def test_without_an_issuer_there_is_no_button_and_nothing_behind_it(make_app: Callable[..., Any]) -> None:
    client = make_app(oidc_issuer="").test_client()
    assert [client.get(path).status_code for path in (START, CALLBACK)] == [404, 404]
