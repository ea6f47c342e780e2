"""Sign in by OpenID, at any issuer: what is sent to it, and what is believed of its answer. Authlib makes the requests and checks
the claims, joserfc the signature.

State, nonce and PKCE verifier lie in the browser's signed cookie, so an answer is taken from the browser that asked, and once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.accounts.openid_http import Issuer
from quadra.accounts.tables import SpentState
from quadra.accounts.users import is_email, normalise_email
from quadra.core import clock
from quadra.core.errors import Forbidden, Unauthorised, Unavailable
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings

LASTS = timedelta(minutes=10)
"""From the button to the answer."""
FRESH_SECONDS = 600
AGAIN_SECONDS = 5
"""After a failure nobody asks the issuer for this long: strangers cause the asking."""
LEEWAY_SECONDS = 60
SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Only by keys of which the issuer keeps half: with HS256, whoever knows the client secret signs for anybody."""
FOR_EVERYBODY = (
    "accounts.google.com",
    "login.microsoftonline.com",
    "gitlab.com",
    "login.yahoo.com",
    "appleid.apple.com",
)
"""Issuers at which anybody has an account: without OIDC_ALLOWED_DOMAINS nobody new joins by them."""
AGAIN = "This sign-in is over, or began in another browser. Start again."


@dataclass
class Discovered:
    """What the issuer says of itself, as of `at`."""

    at: float
    document: dict[str, Any]
    keys: KeySet


@dataclass(frozen=True)
class Begun:
    """A sign-in that waits for the issuer's answer. Kept in the browser's signed cookie."""

    state: str
    nonce: str
    verifier: str
    target: str
    """Where the reader goes afterwards."""
    at: int


@dataclass(frozen=True)
class Person:
    email: str
    name: str
    subject: str


class Provider:
    """The issuer of this installation, as this process knows it."""

    def __init__(self, runtime: Runtime):
        self._settings = runtime.settings
        self._http = Issuer(runtime.settings)
        self._lock = threading.Lock()
        self._known: Discovered | None = None
        self._failed_at = float("-inf")

    def begin(self, redirect_uri: str, target: str) -> tuple[str, Begun]:
        """Where to send the browser. Raises `Unavailable`."""
        begun = Begun(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            target,
            int(clock.now().timestamp()),
        )
        endpoint = self._endpoint("authorization_endpoint")
        url, _ = self._client(redirect_uri).create_authorization_url(
            endpoint, state=begun.state, code_verifier=begun.verifier, nonce=begun.nonce
        )
        return str(url), begun

    def finish(self, begun: Begun, answer: Mapping[str, str], redirect_uri: str) -> Person:
        """Who this is, where the issuer answers for it and says that the e-mail address is theirs.

        Raises `Unauthorised`, `Forbidden`, `Unavailable`. `spend` was called with the state before.
        """
        if answer.get("iss", self._issuer()) != self._issuer():  # RFC 9207: an answer that was meant for another client
            raise Unauthorised("The answer comes from another sign-in service.")
        try:
            token = self._client(redirect_uri).fetch_token(
                self._endpoint("token_endpoint"),
                grant_type="authorization_code",
                code=answer["code"],
                code_verifier=begun.verifier,
            )
            claims = self._claims(str(token.get("id_token", "")), begun.nonce, str(token.get("access_token", "")))
            about = dict(claims)
            if "email" not in about and "userinfo_endpoint" in self._discovered().document:
                about = self._userinfo(str(token.get("access_token", "")), str(claims["sub"]))
        except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
            raise Unauthorised("The sign-in service's answer cannot be believed. Start again.") from error
        return _person(about, str(claims["sub"]))

    def _client(self, redirect_uri: str) -> OAuth2Client:
        offered = self._discovered().document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" in offered or "client_secret_post" not in offered
        method = "client_secret_basic" if basic else "client_secret_post"
        return OAuth2Client(
            session=self._http,
            client_id=self._settings.oidc_client_id,
            client_secret=self._settings.oidc_client_secret,
            token_endpoint_auth_method=method if self._settings.oidc_client_secret else "none",
            scope="openid email profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    def _claims(self, id_token: str, nonce: str, access_token: str) -> CodeIDToken:
        known = self._discovered()
        try:
            decoded = jwt.decode(id_token, known.keys, algorithms=list(SIGNED_BY))
        except (JoseError, ValueError):
            if time.monotonic() - known.at < AGAIN_SECONDS:
                raise
            # the issuer may have changed its keys since
            decoded = jwt.decode(id_token, self._discovered(renew=True).keys, algorithms=list(SIGNED_BY))
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": self._issuer()},
                "aud": {"essential": True, "value": self._settings.oidc_client_id},
            },
            params={"nonce": nonce, "client_id": self._settings.oidc_client_id, "access_token": access_token},
        )
        claims.validate(leeway=LEEWAY_SECONDS)
        if not same(str(claims.get("nonce", "")), nonce):
            raise Unauthorised(AGAIN)
        return claims

    def _userinfo(self, access_token: str, subject: str) -> dict[str, Any]:
        answer = self._http.get(self._endpoint("userinfo_endpoint"), {"Authorization": f"Bearer {access_token}"})
        answer.raise_for_status()
        about = answer.json()
        if not isinstance(about, dict) or about.get("sub") != subject:
            raise ValueError("The userinfo is about somebody else.")
        return about

    def _issuer(self) -> str:
        return str(self._discovered().document["issuer"])

    def _endpoint(self, name: str) -> str:
        found = self._discovered().document.get(name)
        if not isinstance(found, str):
            raise Unavailable(f"The sign-in service names no {name}.")
        return found

    def _discovered(self, *, renew: bool = False) -> Discovered:
        """Raises `Unavailable`, at once where another request asks the issuer at this moment."""
        known = self._known
        if known is not None and not renew and time.monotonic() - known.at < FRESH_SECONDS:
            return known
        if not self._lock.acquire(blocking=False):
            if known is not None:
                return known
            raise Unavailable("The sign-in service is being asked. Try again in a few seconds.", retry_after_seconds=2)
        try:
            if time.monotonic() - self._failed_at < AGAIN_SECONDS:
                raise Unavailable("The sign-in service did not answer a moment ago. Try again in a few seconds.")
            self._failed_at = time.monotonic()
            self._known = self._discover()
            self._failed_at = float("-inf")
            return self._known
        finally:
            self._lock.release()

    def _discover(self) -> Discovered:
        issuer = self._settings.oidc_issuer.rstrip("/")
        answer = self._http.get(f"{issuer}/.well-known/openid-configuration")
        answer.raise_for_status()
        try:
            document = answer.json()
            if document["issuer"].rstrip("/") != issuer:
                raise Unavailable(f"The sign-in service calls itself {str(document['issuer'])[:200]}, not {issuer}.")
            keys = self._http.get(str(document["jwks_uri"]))
            keys.raise_for_status()
            return Discovered(time.monotonic(), document, KeySet.import_key_set(keys.json()))
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable("The sign-in service does not describe itself as OpenID asks for.") from error


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def configured(settings: Settings) -> bool:
    return bool(settings.oidc_issuer and settings.oidc_client_id)


def spend(session: Session, state: str) -> None:
    """Take the answer of this state, once. Raises `Unauthorised`. Forgets those that no cookie holds any more."""
    session.execute(sa.delete(SpentState).where(SpentState.at < clock.now() - 2 * LASTS))
    try:
        with session.begin_nested():
            session.add(SpentState(id=hashlib.sha256(state.encode()).hexdigest()[:32]))
    except IntegrityError as error:
        raise Unauthorised(AGAIN) from error


def check_domain(settings: Settings, email: str) -> None:
    """Raises `Forbidden`."""
    allowed = [domain.lower().lstrip("@") for domain in settings.oidc_allowed_domains]
    if allowed and email.rpartition("@")[2] not in allowed:
        raise Forbidden("People with an e-mail address of this domain may not sign in here. Ask an admin.")


def may_join(settings: Settings) -> bool:
    """Whether somebody without an account gets one."""
    return bool(settings.oidc_allowed_domains) or not any(f"//{host}" in settings.oidc_issuer for host in FOR_EVERYBODY)


def _person(about: Mapping[str, Any], subject: str) -> Person:
    email = about.get("email")
    if not isinstance(email, str) or not is_email(normalise_email(email)):
        raise Forbidden("The sign-in service tells no e-mail address. Quadra needs one; ask an admin.")
    if about.get("email_verified") not in (True, "true"):  # some send it as a text
        raise Forbidden("The sign-in service has not verified this e-mail address. Verify it there first.")
    name = about.get("name")
    plain = "".join(one for one in name if one.isprintable())[:200] if isinstance(name, str) else ""
    return Person(normalise_email(email), plain, subject)
