"""The list of erasures as a file: one line of JSON each, only ever added to. It must outlive the database, since a restored
database holds the erased rows again and may not know of the erasures that came after its backup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.durable import sync
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.core.typed import Typed
from quadra.warehouse.erasure.jobs import enqueue_erasure
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments.store import Store
from quadra.warehouse.tables import Erasure

NOTES = "erasures/"


class Entry(msgspec.Struct, frozen=True):
    project: str
    """Its slug: in another database it may have another number."""
    user_id: str
    requested_us: int


_entries = Typed(Entry)


def path_of(settings: Settings) -> Path:
    return settings.data_dir / "erasures.ndjson"


def remember(settings: Settings, store: Store, entry: Entry) -> None:
    """Add an entry; on the disk before this returns, and where the segments are. One that is there already changes nothing."""
    line = msgspec.json.encode(entry)
    store.note(f"{NOTES}{hashlib.sha256(line).hexdigest()}.json", line)
    path = path_of(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry in set(read(settings)):
        return
    with path.open("ab") as file:
        file.write(line_of(entry))
        sync(file)


def line_of(entry: Entry) -> bytes:
    """A line of its own, also after one that a crash cut off."""
    return b"\n" + msgspec.json.encode(entry) + b"\n"


def remember_request(runtime: Runtime, slug: str, erasure: Erasure) -> None:
    """Once the request is committed, and before it is acknowledged: a database that is lost before a worker came must not
    take the wish with it.
    """
    entry = Entry(slug, erasure.user_id, clock.to_us(erasure.requested_at))
    remember(runtime.settings, warehouse_of(runtime).store, entry)


def read(settings: Settings) -> Iterator[Entry]:
    """Every entry."""
    path = path_of(settings)
    if path.exists():
        yield from decoded(path.read_bytes().splitlines())


def read_all(settings: Settings, store: Store) -> Iterator[Entry]:
    """With what is kept beside the segments, where that is another place than this machine."""
    yield from dict.fromkeys([*read(settings), *decoded(store.notes(NOTES))])


def decoded(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Lines that a crash cut off are left out: their erasure did not begin."""
    for line in lines:
        try:
            yield _entries.decode(line)
        except msgspec.DecodeError:
            continue


def replay(session: Session, runtime: Runtime) -> int:
    """After a restore: enqueue every erasure that was ever asked for, with its own time; how many. Those of projects that
    are not there any more have nothing to erase."""
    known = {
        (project.slug, erasure.user_id, clock.to_us(erasure.requested_at)): erasure
        for erasure, project in session.execute(
            sa.select(Erasure, Project).join(Project, Project.id == Erasure.project_id)
        )
    }
    projects = dict(session.execute(sa.select(Project.slug, Project.id)).all())
    for entry in read_all(runtime.settings, warehouse_of(runtime).store):
        key = (entry.project, entry.user_id, entry.requested_us)
        if key not in known and entry.project in projects:
            at = clock.from_us(entry.requested_us)
            made = Erasure(
                project_id=projects[entry.project], user_id=entry.user_id, ids=[entry.user_id], requested_at=at
            )
            session.add(made)
            session.flush()
            known[key] = made
    return sum(_again(session, erasure, runtime) for erasure in known.values())


def _again(session: Session, erasure: Erasure, runtime: Runtime) -> bool:
    erasure.done_at = None
    session.flush()
    return enqueue_erasure(session, erasure, max_attempts=runtime.settings.job_max_attempts) is not None
