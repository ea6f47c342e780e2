"""Does a deployment do its work, seen from where its users are? A list of checks, each one sentence of what was found.

With an admin key it stores one event a run (`quadra_validation`, in the project that the key is for), by a write key that it
makes for that and revokes. It never asks the deployment's database.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from quadra.core.ids import uuid7
from quadra.rollout.probe import Probe, Unexpected

PASS, WARN, FAIL, SKIP = "pass", "warn", "fail", "skip"
EVENT = "quadra_validation"
SEEN_SECONDS = 10.0
"""How long an acknowledged event may take to be counted; it is visible at once, so this is for a busy machine."""


class Doubtful(Exception):
    """It works, but not as it should; the text says how."""


class NotAsked(Exception):
    """What the check needs was not given or is not set up; the text says what."""


@dataclass
class Deployment:
    """What is looked at, and with which rights."""

    probe: Probe
    key: str = ""
    """An admin key; without one, and without a login, only what strangers may see is checked."""
    email: str = ""
    password: str = ""
    project: str = ""
    event_id: str = field(default_factory=uuid7)

    def require_key(self) -> None:
        if not self.key:
            raise NotAsked("give an admin key (--key)")


@dataclass(frozen=True)
class Finding:
    name: str
    status: str
    message: str
    seconds: float


def health(to: Deployment) -> str:
    found = to.probe.json("GET", "/health", key="")
    if found.get("status") != "ok":
        raise Unexpected("/health answers 200 but does not say ok")
    return f"alive, version {found.get('version', 'unknown')}"


def ready(to: Deployment) -> str:
    to.probe.ask("GET", "/health/ready", key="")
    return "takes requests"


def detailed(to: Deployment) -> str:
    to.require_key()
    found = to.probe.json("GET", "/health/detailed", expect=(200, 503))
    overall, checks = found.get("overall_status"), found.get("checks", {})
    wrong = [f"{name} ({check['message']})" for name, check in checks.items() if check.get("status") != "healthy"]
    if overall == "unhealthy":
        raise Unexpected("unhealthy: " + ", ".join(wrong))
    if overall != "healthy":
        raise Doubtful(f"{overall}: " + ", ".join(wrong))
    return f"{len(checks)} checks, all healthy"


def database(to: Deployment) -> str:
    found = to.probe.json("GET", "/health/ready", key="")
    if found.get("checks", {}).get("database") != "pass":
        raise Unexpected("/health/ready does not say that the database passes")
    return "answers"


def redis(to: Deployment) -> str:
    to.require_key()
    checks = to.probe.json("GET", "/health/detailed", expect=(200, 503)).get("checks", {})
    if "redis" not in checks:
        raise NotAsked("the deployment has none: one web process")
    if checks["redis"]["status"] != "healthy":
        raise Unexpected(str(checks["redis"]["message"]))
    return "answers"


def accounts(to: Deployment) -> str:
    """A wrong password and an empty registration are refused; the login that was given comes in and out again."""
    nobody = f"validation-{secrets.token_hex(6)}@quadra.invalid"
    to.probe.ask("POST", "/api/auth/login", expect=(401,), body={"email": nobody, "password": "wrong"}, key="")
    refused = "refuses a wrong password"
    to.probe.ask("POST", "/api/auth/register", expect=(400, 401, 403), body={"email": "", "password": ""}, key="")
    if not to.email:
        raise NotAsked(f"{refused}; give --email and --password to log in")
    user = to.probe.json("POST", "/api/auth/login", body={"email": to.email, "password": to.password}, key="")["user"]
    me = to.probe.json("GET", "/api/auth/me", key="")
    to.probe.ask("POST", "/api/auth/logout", key="", csrf=me["csrf_token"])
    to.probe.ask("GET", "/api/auth/me", key="", expect=(401,))
    return f"logged in as {user['role']} and out again, {refused}"


def reads(to: Deployment) -> str:
    to.probe.ask("GET", "/api/auth/me", key="", expect=(401,))
    to.require_key()
    me = to.probe.json("GET", "/api/auth/me")
    if me.get("role") != "admin":
        raise NotAsked(f"the key is a {me.get('role')}'s; an admin key is needed")
    to.project = me["key"]["project"]
    to.probe.ask("GET", "/api/projects")
    to.probe.ask("GET", "/api/admin/metrics")
    return f"strangers are refused, the key reads the project {to.project}"


def ingest(to: Deployment) -> str:
    """An event is stored, and its repetition is known: by a write key made for it and revoked afterwards."""
    to.require_key()
    made = to.probe.json(
        "POST", "/api/keys", expect=(201,), body={"project": to.project, "scope": "ingest", "name": "quadra validate"}
    )
    try:
        event = {"event_id": to.event_id, "event_type": EVENT, "user_id": EVENT}
        first = to.probe.json("POST", "/api/events", body=event, key=made["key"])
        second = to.probe.json("POST", "/api/events", body=event, key=made["key"])
    finally:
        to.probe.ask("DELETE", f"/api/keys/{made['id']}")
    if (first.get("stored"), second.get("duplicates")) != (1, 1):
        raise Unexpected(f"the event was answered {first}, its repetition {second}")
    return f"an event was stored in {to.project}, its repetition was known"


def analytics(to: Deployment) -> str:
    to.require_key()
    asked = {"project": to.project, "event": EVENT, "days": "1", "interval": "whole", "where[event_id]": to.event_id}
    until = time.monotonic() + SEEN_SECONDS
    while True:
        series = to.probe.json("GET", "/api/analytics/trends", **asked)["series"]
        count = sum(point["value"] for one in series for point in one["points"])
        if count == 1:
            return "the event is counted once"
        if count > 1 or time.monotonic() > until:
            raise Unexpected(f"the event that was stored is counted {count:g} times")
        time.sleep(0.2)


def live(to: Deployment) -> str:
    answer = to.probe.ask("GET", "/socket.io/", key="", EIO="4", transport="polling")
    if not answer.text.startswith("0{"):
        raise Unexpected("/socket.io does not begin a connection")
    return "Socket.IO begins a connection"


def docs(to: Deployment) -> str:
    found = to.probe.json("GET", "/api/openapi.json", key="")
    to.probe.ask("GET", "/api/docs", key="")
    if not str(found.get("openapi", "")).startswith("3.1"):
        raise Unexpected("/api/openapi.json is not OpenAPI 3.1")
    return f"{len(found.get('paths', {}))} paths are described"


def metrics(to: Deployment) -> str:
    to.require_key()
    text = to.probe.ask("GET", "/metrics").text
    if "quadra_matrix_" not in text:
        raise Unexpected("/metrics has no figure of Quadra's")
    return f"{sum(not line.startswith('#') for line in text.splitlines()):,} figures"


CHECKS: tuple[tuple[str, Callable[[Deployment], str]], ...] = (
    ("health", health),
    ("ready", ready),
    ("detailed", detailed),
    ("database", database),
    ("redis", redis),
    ("accounts", accounts),
    ("reads", reads),
    ("ingest", ingest),
    ("analytics", analytics),
    ("live", live),
    ("docs", docs),
    ("metrics", metrics),
)


def validate(deployment: Deployment, tell: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """Every check in order, each told as it ends. What a failed check leaves unsaid fails the later ones by itself."""
    found = []
    for name, check in CHECKS:
        began = time.monotonic()
        try:
            status, message = PASS, check(deployment)
        except Unexpected as wrong:
            status, message = FAIL, str(wrong)
        except Doubtful as wrong:
            status, message = WARN, str(wrong)
        except NotAsked as reason:
            status, message = SKIP, str(reason)
        except (KeyError, TypeError) as missing:
            status, message = FAIL, f"an answer lacks {missing}"
        found.append(Finding(name, status, message, round(time.monotonic() - began, 3)))
        tell(found[-1])
    return found


def verdict(found: list[Finding]) -> str:
    """FAIL: something does not work. PARTIAL: what was looked at works, but not all was, or not as it should."""
    seen = {one.status for one in found}
    if FAIL in seen:
        return "FAIL"
    missing = [one for one in found if one.status == SKIP and one.name != "redis"]
    return "PARTIAL" if WARN in seen or missing else "PASS"
