"""Assisted promotion: every check is made and shown, then a replica becomes the primary. Not automatic: a person starts it.

Nothing is changed before all checks passed and the old primary is fenced. After `pg_promote` comes a CHECKPOINT: without one,
pg_rewind takes the new primary for the old timeline and the old one never follows again.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import psycopg
import sqlalchemy as sa
from msgspec import Meta, Struct

from quadra.accounts import audit
from quadra.accounts.tables import AuditEntry
from quadra.backup.dumps.databases import opened
from quadra.backup.replica import promotion_checks as checks
from quadra.backup.replica.memory import recall
from quadra.backup.replica.promotion_checks import FAIL, PASS, WARN, Candidate, Loss, PromotionStep
from quadra.backup.replica.sides import Standby, address, admin_url, connected, one, replica_url
from quadra.backup.replica.status import ask_replicas, first_line
from quadra.core.errors import Conflict
from quadra.core.settings import Settings

PROMOTE_SECONDS = 60
FENCE_SECONDS = 120
MOST_BYTES = 16 * 2**20
"""Known to be missing, beyond which the operator must accept the loss in so many words."""


@dataclass(frozen=True, slots=True)
class Wanted:
    target: str
    confirm_fenced: bool = False
    """The operator's word that the old primary cannot write any more."""
    accept_loss: bool = False
    most_bytes: int = MOST_BYTES
    dry_run: bool = False
    wait_seconds: float = 60
    actor: str = audit.COMMAND
    address: str = ""


@dataclass
class Outcome:
    target: str
    dry_run: bool
    steps: list[PromotionStep] = field(default_factory=list)
    loss: Loss | None = None
    promoted: bool = False
    timeline: int | None = None
    next_steps: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[PromotionStep]:
        return [step for step in self.steps if step.status == FAIL]

    @property
    def ok(self) -> bool:
        return not self.failed and (self.promoted or self.dry_run)


class Failover(Struct, kw_only=True):
    ok: bool
    target: Annotated[str, Meta(examples=["10.0.0.12:5432"])]
    dry_run: Annotated[bool, Meta(examples=[False])]
    promoted: bool
    timeline: Annotated[int | None, Meta(examples=[2])]
    steps: list[PromotionStep]
    may_be_lost: Loss | None
    next_steps: Annotated[list[str], Meta(examples=[["Take a base backup: quadra wal base"]])]


def shown(outcome: Outcome) -> Failover:
    return Failover(
        ok=outcome.ok,
        target=outcome.target,
        dry_run=outcome.dry_run,
        promoted=outcome.promoted,
        timeline=outcome.timeline,
        steps=outcome.steps,
        may_be_lost=outcome.loss,
        next_steps=outcome.next_steps,
    )


def promote(
    settings: Settings, wanted: Wanted, on_step: Callable[[PromotionStep], object] = lambda _step: None
) -> Outcome:
    """Check, fence, promote, prove. Each step is told as soon as it is known. A failed step is in the outcome, not raised."""
    url = replica_url(settings, wanted.target)
    outcome = Outcome(address(url), wanted.dry_run)

    def add(step: PromotionStep) -> bool:
        outcome.steps.append(step)
        on_step(step)
        return step.status != FAIL

    candidate = _check(settings, wanted, url, outcome, add)
    if candidate is None or outcome.failed or not _fence(settings, wanted, add):
        return outcome
    if wanted.dry_run:
        outcome.next_steps = _next_steps(settings, url)
        return outcome
    try:
        with connected(url, statement_seconds=PROMOTE_SECONDS + 30) as connection:
            if not _promote(connection, candidate, outcome, add):
                return outcome
        add(_probe(url, wanted))
    except psycopg.Error as error:
        add(PromotionStep("promotion", FAIL, f"{outcome.target}: {first_line(error)}"))
    outcome.next_steps = _next_steps(settings, url)
    return outcome


def _check(
    settings: Settings, wanted: Wanted, url: sa.URL, outcome: Outcome, add: Callable[[PromotionStep], bool]
) -> Candidate | None:
    primary = admin_url(settings)
    if address(primary) == address(url):
        add(PromotionStep("target is a replica", FAIL, f"{address(url)} is the database that Quadra uses already."))
        return None
    try:
        candidate = checks.look_at(url)
    except psycopg.Error as error:
        add(PromotionStep("target answers", FAIL, f"{address(url)}: {first_line(error)}"))
        return None
    add(PromotionStep("target answers", PASS, f"{address(url)}, cluster {candidate.standby.system_identifier}"))
    if not add(checks.is_replica(candidate)):
        return None
    others = [(at, answer) for at, answer in ask_replicas(settings) if at != address(url)]
    if not add(checks.hear_primary(primary)):
        return candidate

    def look() -> list[Standby]:
        # a replica of ours that fell silent meanwhile proves nothing either way
        asked = [answer for at, answer in ask_replicas(settings) if at != address(url)]
        return [checks.look_at(url).standby, *(answer for answer in asked if isinstance(answer, Standby))]

    silence = checks.wait_for_silence(
        look, wanted.wait_seconds, lambda text: add(PromotionStep("primary as seen from the replicas", WARN, text))
    )
    if not add(silence):
        return candidate
    candidate = checks.look_at(url)  # again: what came in while we waited
    foremost = checks.is_foremost(candidate, others)
    add(foremost)
    outcome.loss = checks.reckon_loss(candidate, recall(settings), foremost)
    add(checks.within_bound(outcome.loss, wanted.most_bytes, wanted.accept_loss))
    return candidate


def _fence(settings: Settings, wanted: Wanted, add: Callable[[PromotionStep], bool]) -> bool:
    name = "old primary is fenced"
    if settings.fence_command and wanted.dry_run:
        return add(PromotionStep(name, WARN, f"a real run first runs: {settings.fence_command}"))
    if settings.fence_command:
        try:
            done = subprocess.run(
                shlex.split(settings.fence_command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return add(PromotionStep(name, FAIL, f"{settings.fence_command}: {error}"))
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-300:]
            return add(PromotionStep(name, FAIL, f"{settings.fence_command} ended with {done.returncode}: {said}"))
        add(PromotionStep(name, PASS, f"{settings.fence_command} ended with 0"))
    elif wanted.confirm_fenced:
        add(PromotionStep(name, PASS, "you confirmed it"))
    else:
        return add(
            PromotionStep(
                name,
                FAIL,
                "Make sure that it cannot start or be reached (power, network, its service disabled), then say so with "
                "--confirm-fenced, or give QUADRA_FENCE_COMMAND.",
            )
        )
    return add(checks.hear_primary(admin_url(settings), tries=1))


def _promote(connection: Any, candidate: Candidate, outcome: Outcome, add: Callable[[PromotionStep], bool]) -> bool:
    before = candidate.standby.timeline
    if not one(connection, f"SELECT pg_promote(true, {PROMOTE_SECONDS}) AS done")["done"]:
        return add(PromotionStep("promotion", FAIL, f"It was not promoted within {PROMOTE_SECONDS} s; see its log."))
    outcome.promoted = True
    connection.execute("CHECKPOINT")
    outcome.timeline = one(connection, "SELECT timeline_id FROM pg_control_checkpoint()")["timeline_id"]
    status = PASS if (outcome.timeline or 0) > before else FAIL
    add(PromotionStep("promotion", status, f"It is the primary, on timeline {outcome.timeline} (before: {before})."))
    if candidate.standby.synchronous_standby_names:
        add(_wait_for_nobody(connection, candidate.standby.synchronous_standby_names))
    return True


def _wait_for_nobody(connection: Any, names: str) -> PromotionStep:
    """It brought along the old primary's list of replicas to wait for. None follows it yet: each commit would hang."""
    connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
    connection.execute("SELECT pg_reload_conf()")
    end = time.monotonic() + 10
    while one(connection, "SELECT current_setting('synchronous_standby_names') AS it")["it"]:
        if time.monotonic() > end:
            return PromotionStep(
                "commits wait for nobody", FAIL, f"synchronous_standby_names = {names!r} stays: commits hang."
            )
        time.sleep(0.05)
    return PromotionStep(
        "commits wait for nobody",
        WARN,
        f"synchronous_standby_names was {names!r} and is '' until a replica follows: set it again then.",
    )


def _probe(url: sa.URL, wanted: Wanted) -> PromotionStep:
    """A write that was committed and read back: the entry in the audit log that a promotion leaves anyway."""
    with opened(url) as database:
        with database.begin() as session:
            entry = audit.record(
                session,
                actor=wanted.actor,
                action="backup.replica.promoted",
                subject=address(url),
                address=wanted.address,
                details={"confirm_fenced": wanted.confirm_fenced, "accept_loss": wanted.accept_loss},
            )
        with database.read() as session:
            if session.get(AuditEntry, entry.id) is None:
                raise Conflict("The probe was committed and is not there.")
    return PromotionStep("probe write", PASS, "An entry in the audit log was written and read back.")


def _next_steps(settings: Settings, url: sa.URL) -> list[str]:
    shown = sa.make_url(settings.database_url).set(host=url.host, port=url.port, drivername="postgresql")
    return [
        "Never start the old primary as it is: it is writable, and events would be in two places.",
        f"Give every web process and worker DATABASE_URL={shown.render_as_string(hide_password=True)} and restart them.",
        f"Take it out of QUADRA_REPLICAS, and the old primary ({address(admin_url(settings))}) in.",
        "Take a base backup: quadra wal base",
        f"On the old primary's machine: quadra replica rejoin --data-dir PGDATA --primary {address(url)}",
    ]
