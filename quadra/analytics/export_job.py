"""The job `export`: a file of events, made where nobody waits for it.

It is written beside, under a name of this attempt, and offered by the transaction that ends the job. So a worker that dies
leaves nothing that is offered, and the next attempt begins anew, at a moment of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from quadra.accounts.tables import Project
from quadra.analytics import export_files, export_stream
from quadra.analytics.export import Export, loaded, read
from quadra.analytics.tables import ExportedFile
from quadra.core import clock
from quadra.core.api.raw_params import RawParams
from quadra.core.durable import sync, sync_directory
from quadra.core.errors import Invalid, NotFound, Unavailable
from quadra.core.runtime import Runtime
from quadra.jobs.errors import LeaseLost, Permanent
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease
from quadra.jobs.tables import rows_hit
from quadra.warehouse.query.answer import Cancelled
from quadra.warehouse.query.snapshot import STREAM_SECONDS, Look

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the disk, the lease and the clock, and two notes of how far it is."""
PART_OF_STUCK = 0.9
"""Of QUADRA_STUCK_AFTER. What takes longer is taken for stuck, and begun again in vain."""
NEVER = ("query_timeout", "query_too_large")
"""What the same question comes to each time."""


class Watch:
    """Looks after an attempt from a thread of its own: DuckDB may be busy for minutes."""

    def __init__(self, runtime: Runtime, lease: Lease, export_id: str, path: Path):
        self._runtime, self._lease, self._export_id, self._path = runtime, lease, export_id, path
        self._until = time.monotonic() + min(
            STREAM_SECONDS, PART_OF_STUCK * runtime.settings.stuck_after.total_seconds()
        )
        self._ended = threading.Event()
        self._stopped: Exception | None = None
        self.look: Look | None = None
        self.progress: float | None = None

    def check(self) -> None:
        """Raises what ends this attempt."""
        if self._stopped is not None:
            raise self._stopped

    def passed(self, part: float) -> None:
        self.progress = part
        self.check()

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        thread = threading.Thread(target=self._watch, name="export-watch", daemon=True)
        thread.start()
        try:
            yield self
        except Cancelled as error:
            self.check()
            raise Unavailable("The export was interrupted; it begins again.", retry_after_seconds=1) from error
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._stopped = self._stopped or self._wrong()
            if self._stopped is not None:
                if self.look is not None:
                    self.look.cancel()
                continue
            with suppress(Unavailable):  # how far it is can be noted the next time
                self._note()

    def _wrong(self) -> Exception | None:
        if self._lease.lost.is_set():
            return LeaseLost("The export was cancelled, or another worker makes it.")
        if lacking := export_files.lacking_mb(self._runtime.settings):
            return Permanent(_no_room(lacking))
        if time.monotonic() > self._until:
            return Permanent("Making the file takes too long. Ask for fewer days, or for one kind of event.")
        return None

    def _note(self) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        mine = sa.update(ExportedFile).where(ExportedFile.id == self._export_id)
        with self._runtime.database.begin() as session:
            try:
                self._lease.hold(session)
            except LeaseLost as error:
                self._stopped = error
                return
            rows_hit(session, mine.values(bytes=size, progress=self.progress))


def make_file(runtime: Runtime, lease: Lease) -> None:
    """The job: args `export_id`."""
    settings = runtime.settings
    export_id = str(lease.job.args.get("export_id"))
    with runtime.database.read() as session:
        row = session.get(ExportedFile, export_id)
        project = None if row is None else session.get(Project, row.project_id)
    if row is None or project is None:
        raise Permanent("The export of this job was deleted.")
    export = _asked(runtime, row, project)
    if lacking := export_files.lacking_mb(settings):
        raise Permanent(_no_room(lacking))
    kept, spill = export_files.directory(settings), settings.data_dir / "spill"
    for folder in (kept, spill):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"export-{export_id}-*"):  # by an attempt that was killed
            left.unlink(missing_ok=True)
    name = f"export-{export_id}-{lease.job.token[-12:]}.{export.format}"
    path, offered = spill / name, kept / name
    try:
        with Watch(runtime, lease, export_id, path).watching() as watch:
            _write(runtime, export, path, watch)
        shutil.move(path, offered)
    finally:
        path.unlink(missing_ok=True)
    # what raises here may have been committed all the same: the file stays, and goes by itself where no row offers it
    if not _offer(runtime, lease, row, name, _flush(offered)):
        offered.unlink()
        raise Unavailable("Somebody was erased meanwhile; the export begins again.", retry_after_seconds=1)
    logger.info("analytics.export.made", extra={"project_id": project.id, "export_id": export_id})


def _asked(runtime: Runtime, row: ExportedFile, project: Project) -> Export:
    try:
        return loaded(runtime, read(RawParams(row.asked), project))
    except (Invalid, NotFound) as error:  # its segment is gone, or was changed to what cannot be asked
        raise Permanent(error.message) from error


def _write(runtime: Runtime, export: Export, path: Path, watch: Watch) -> None:
    try:
        with export_stream.opened(runtime, export) as (look, statement, params):
            watch.look = look
            if export.format == "parquet":
                look.save(statement, params, path)
                return
            with path.open("wb") as file:
                for piece in export_stream.formatted(export, look, statement, params, watch.passed):
                    file.write(piece)
                    watch.check()
    except Unavailable as error:
        if error.code in NEVER:
            raise Permanent(error.message) from error
        raise


def _flush(path: Path) -> int:
    """On the disk before it is offered; how large it is."""
    with path.open("rb") as file:
        sync(file)
        size = os.fstat(file.fileno()).st_size
    sync_directory(path.parent)
    return size


def _offer(runtime: Runtime, lease: Lease, row: ExportedFile, name: str, size: int) -> bool:
    """Whether it may be: not where an erasure came after the attempt had begun."""
    same = sa.and_(ExportedFile.id == row.id, ExportedFile.erasures == row.erasures)
    done = {"file": name, "bytes": size, "progress": 1.0, "done_at": clock.now()}
    with runtime.database.begin() as session:
        lease.hold(session)
        if not rows_hit(session, sa.update(ExportedFile).where(same).values(done)):
            return False
        lease.succeed(session)
    return True


def _no_room(lacking: int) -> str:
    return (
        f"The disk of QUADRA_DATA_DIR lacks {lacking} MB of what an export leaves free (QUADRA_EXPORT_FREE_MB). "
        "Make room, or ask for fewer days; then ask again."
    )


HANDLER = Handler(make_file, timeout=timedelta(seconds=STREAM_SECONDS), priority=export_files.PRIORITY, apart=True)
