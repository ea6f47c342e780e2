"""What a rollout remembers: the state of now, and a journal of what was done and why. Both outlive every process."""

from __future__ import annotations

import os
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from quadra.core import clock
from quadra.core.durable import sync, write_whole
from quadra.core.typed import Typed
from quadra.rollout.faults import Action
from quadra.rollout.place import Place

Role = Literal["web", "worker", "balancer"]
Status = Literal["running", "completed", "failed", "rolled_back"]


class Kept(Struct):
    """A process that the watcher keeps. Its id alone names another process later; with its birth it does not."""

    name: str
    role: Role
    pid: int
    born: float
    started_at: str
    release: str
    deployment: str = ""
    """Which brought it: two of the same release may stand beside each other."""
    port: int | None = None
    slot: int | None = None
    """Of the balancer."""
    state: str = "starting"
    restarts: int = 0
    failures: int = 0
    """Probes in a row that it did not answer well."""
    attempts: int = 0
    """Restarts since it was last well for RESET_AFTER."""
    next_attempt: float = 0.0
    """Not before this time (seconds since 1970) is it started again."""
    leaving: bool = False
    """It served and is about to end: only sessions that it began still come to it."""
    fault: str = ""
    """Of FAULTS, where the last look found one."""
    looks: int = 0
    """In a row that found this fault."""
    counted: tuple[int, int] | None = None
    """Requests and errors that it had counted at the last look."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Step(Struct):
    name: str
    seconds: float


class Deployment(Struct):
    id: str
    release: str
    previous: str | None
    trigger: Literal["cli", "api", "heal"]
    started_at: str
    environment: str = ""
    """As whoever asked called it; nothing here depends on it."""
    status: Status = "running"
    ended_at: str | None = None
    reason: str = ""
    failure_kind: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


class Act(Struct):
    """Something that the watcher did by itself."""

    id: str
    at: str
    action: Action
    target: str
    release: str
    outcome: str
    reason: str
    figures: dict[str, Any]
    attempt: int
    watcher_pid: int


class Migration(Struct):
    revision: str
    additive: bool


class Care(Struct):
    """What is being done about a release that answers badly."""

    fault: str = ""
    attempts: int = 0
    next_attempt: float = 0.0
    given_up: bool = False
    seen_at: float = 0.0
    """When it was last seen to answer badly."""


class State(Struct):
    release: str | None = None
    """The last one whose deployment was completed."""
    serving: str | None = None
    """The deployment whose replicas get the requests."""
    before: str | None = None
    """The one that served when the present deployment began."""
    previous: str | None = None
    """The release to go back to: the one before, until that was done."""
    rolled_back: list[str] = field(default_factory=list)
    """Releases that were gone back from, which is done once for each."""
    care: Care = field(default_factory=Care)
    dry_run: bool = False
    """Whether the last watcher only said what it did not do."""
    p95_before_ms: float | None = None
    """Of the release before, when the present one came."""
    schema: str | None = None
    """The revision that the last migration left."""
    migrations: list[Migration] = field(default_factory=list)
    """Up to it, oldest first."""
    heads: dict[str, str] = field(default_factory=dict)
    """Release -> the newest revision that it knows."""
    processes: list[Kept] = field(default_factory=list)
    deployment: Deployment | None = None
    """The one that is under way."""
    named: int = 0
    """How many processes were given a name so far."""

    def runs_over_schema(self, release: str) -> bool:
        """Whether this release works over the schema as it is: it is its own, or what came after only added to it."""
        known = [one.revision for one in self.migrations]
        head = self.heads.get(release)
        if self.schema is None or head == self.schema:
            return True
        return head in known and all(one.additive for one in self.migrations[known.index(head) + 1 :])


class Line(Struct):
    """Of the journal. A later line about the same id replaces the earlier one."""

    at: str
    deployment: Deployment | None = None
    act: Act | None = None


STATE, LINE = Typed(State), Typed(Line)


def load_state(place: Place) -> State:
    try:
        return STATE.decode(place.state.read_bytes())
    except FileNotFoundError:
        return State()


def save_state(place: Place, state: State) -> None:
    write_whole(place.state, msgspec.json.format(msgspec.json.encode(state)))


def note(place: Place, *, deployment: Deployment | None = None, act: Act | None = None) -> None:
    """Append to the journal; on disk when this returns."""
    line = msgspec.json.encode(Line(at=clock.iso(clock.now()), deployment=deployment, act=act))
    with place.journal.open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # the line before was cut off by a crash: ours must not be lost with it
                line = b"\n" + line
        file.write(line + b"\n")
        sync(file)


def read_journal(place: Place) -> tuple[list[Deployment], list[Act]]:
    """(deployments, acts), newest first. A line that was cut off by a crash is left out."""
    found_deployments: dict[str, Deployment] = {}
    acts: dict[str, Act] = {}
    for line in place.journal.read_bytes().splitlines() if place.journal.exists() else []:
        try:
            found = LINE.decode(line)
        except msgspec.MsgspecError:
            continue
        if found.deployment:
            found_deployments[found.deployment.id] = found.deployment
        if found.act:
            acts[found.act.id] = found.act
    return list(found_deployments.values())[::-1], list(acts.values())[::-1]


def deployments(place: Place) -> list[Deployment]:
    return read_journal(place)[0]


class History(Struct):
    """Newest first."""

    deployments: list[Deployment]
    acts: list[Act]


def history(place: Place) -> History:
    return History(*read_journal(place))
