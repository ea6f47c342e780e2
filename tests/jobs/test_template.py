"""The template of a job kind in CONTRIBUTING.md works as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quadra.accounts.projects import create_project
from quadra.core.database import Database
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from quadra.ingest.tables import Batch
from quadra.worker import Worker
from tests.jobs.conftest import opened
from tests.jobs.test_sealing import make_batch
from tests.waiting import eventually

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(f"sqlite:///{tmp_path / 'quadra.db'}") as database:
        with database.begin() as session:
            create_project(session, name="Shop")
        yield database


def test_the_template_of_a_job_kind_does_the_job_of_each_batch(database: Database) -> None:
    text = CONTRIBUTING.read_text().split("## A job kind\n")[1]
    (code,) = re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    template: dict[str, Any] = {}
    exec(compile(code, str(CONTRIBUTING), "exec"), template)  # noqa: S102
    make_batch(database)  # open for an hour, so the worker seals it
    runtime = Runtime(load(batch_max_age="1m"), database)
    worker = Worker(runtime, template["HANDLERS"])
    worker.start()
    try:
        eventually(lambda: writer_of(database) == "named")
    finally:
        worker.stop()


def writer_of(database: Database) -> str:
    with database.read() as session:
        return session.get_one(Batch, "b1").writer
