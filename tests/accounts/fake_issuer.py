"""A fake OpenID issuer on a port of its own, which speaks the protocol over real sockets and lies where a test says so."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "quadra", "s3cret of the client"
RIGHT = b"<what is right>"
"""In an answer that a test gives: what is said where no test gives one."""
KEY = RSAKey.generate_key(2048, {"kid": "1"})


class FakeIssuer:
    """`claims` are those of the next ID token; one that is None is left out. `answers` are said instead of what is right."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.signs_with = KEY
        self.claims: dict[str, Any] = {"email": "ada@example.com", "email_verified": True, "name": "Ada"}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}

    def authorise(self, url: str, **more: str) -> str:
        """What a browser that was sent to `url` comes back with, after somebody has logged in here: the callback's address."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], **more})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization not in (f"Basic {basic}", f"Basic {plain}"):
            return 401, {"error": "invalid_client"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or challenge.rstrip(b"=").decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "17", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        claims |= self.claims
        sent = {name: value for name, value in claims.items() if value is not None}
        id_token = jwt.encode({"alg": "RS256", "kid": "1"}, sent, self.signs_with)
        return 200, {"access_token": "an access token", "token_type": "Bearer", "id_token": id_token}

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        status, headers, body = self._right(path, form, authorization)
        if path in self.answers:
            status, headers, said = self.answers[path]
            return status, headers, said.replace(RIGHT, body)
        return status, headers, body

    def _right(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        status: int = 200
        body: dict[str, Any] = {}
        if path == "/.well-known/openid-configuration":
            body = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
            }
        elif path == "/keys":
            body = {"keys": [KEY.as_dict(private=False)]}
        elif path == "/userinfo":
            body = {"sub": "17", "email": "grace@example.com", "email_verified": True}
        elif path == "/token":
            status, body = self.token(form, authorization)
        else:
            status = 404
        return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@contextmanager
def serving() -> Iterator[FakeIssuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._say({name: values[0] for name, values in parse_qs(body).items()})

        def _say(self, form: dict[str, str]) -> None:
            status, headers, body = issuer.answer(urlsplit(self.path).path, form, self.headers["Authorization"] or "")
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = FakeIssuer(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
