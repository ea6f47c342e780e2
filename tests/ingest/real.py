"""A project in a real Quadra, as senders and commands see it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.clients import make_project
from tests.servers.quadra import QuadraProcess


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass(frozen=True)
class Project:
    quadra: QuadraProcess
    slug: str
    write_key: str

    def send(self, path: str, body: Any = None, *, method: str = "POST", **headers: str) -> Answer:
        """`body` as JSON, or as it is where it is bytes. Redirects are answers here, since SDKs do not follow them."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.quadra.base_url + path, data, named, method=method)
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=90) as answer:
                return _answer(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return _answer(answer)

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """What is stored, as `events tail` prints it, by name of the event."""
        done = self.quadra.run(
            "events", "tail", "--project", self.slug, "--since", "1h", "--no-follow", "--json", *arguments
        )
        return sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda event: str(event["event_id"]))

    def event(self) -> dict[str, Any]:
        (event,) = self.events()
        return event


def new_project(quadra: QuadraProcess) -> Project:
    made = make_project(quadra)
    return Project(quadra, made["slug"], made["write"])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


def _answer(answer: Any) -> Answer:
    raw = answer.read()
    try:
        body = json.loads(raw)
    except ValueError:
        body = raw.decode()
    return Answer(answer.status, body, answer.headers)
