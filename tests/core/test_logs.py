"""Log lines: which fields they have, that nothing secret or forged stands in them, and that nobody waits for them."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio

from quadra.core import settings
from quadra.core.errors import Misconfigured
from quadra.core.observing import logs
from quadra.core.observing.log_files import open_files
from quadra.core.observing.log_lines import JsonLines, LineFormatter
from quadra.core.observing.metrics import REGISTRY
from quadra.core.observing.redaction import HIDDEN, Redaction, secrets_of

KEY = "qk_AbCdEfGh" + "x" * 35


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logs.shut_down()
    logger.handlers[:], logger.level = handlers, level


def record(message: str, *args: Any, level: int = logging.INFO, exc: BaseException | None = None, **extra: Any) -> Any:
    made = logging.LogRecord("quadra.ingest.writer", level, __file__, 1, message, args, exc and (type(exc), exc, None))
    made.__dict__.update(extra)
    return made


def as_json(made: logging.LogRecord, *secrets: str) -> dict[str, Any]:
    line = JsonLines(Redaction(secrets), environment="production", process="web").format(made)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_says_when_where_and_what() -> None:
    found = as_json(record("ingest.batch.sealed", batch_id="b-1", events=3))
    assert found["timestamp"].endswith("Z")
    assert len(found["timestamp"]) == len("2026-11-24T15:00:00.000Z")
    assert {
        name: found[name] for name in ("level", "logger", "event", "environment", "process", "batch_id", "events")
    } == {
        "level": "INFO",
        "logger": "quadra.ingest.writer",
        "event": "ingest.batch.sealed",
        "environment": "production",
        "process": "web",
        "batch_id": "b-1",
        "events": 3,
    }
    assert {"hostname", "pid", "thread", "message"} <= found.keys()


def test_the_words_of_a_library_are_no_event() -> None:
    assert as_json(record("Retrying in %d s", 3))["event"] == "library.line.logged"


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} was refused",
        f"Authorization: Bearer {KEY}",
        "Authorization: Basic dXNlcjpzZWNyZXQtd29yZA==",
        "postgresql+psycopg://quadra:secret-word@db:5432/quadra",
        "redis://:secret-word@cache:6379/0",
        "{'password': 'secret-word'}",
        "password=secret-word",
        "Cookie: session=secret-word",
        "the very secret-word itself",
    ],
)
def test_no_secret_gets_into_a_line(text: str) -> None:
    for made in (record(text), record("a.thing.failed", reason=text), record("a.thing.failed", exc=ValueError(text))):
        for line in (
            json.dumps(as_json(made, "secret-word")),
            LineFormatter(Redaction(["secret-word"])).format(made),
        ):
            assert "secret-word" not in line
            assert "x" * 35 not in line
            assert "dXNlcjpz" not in line
            assert HIDDEN in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://quadra:hunter22@db/quadra", "postgresql://quadra:***@db/quadra"),
        ("redis://:hunter22@r:6379/0 does not answer", "redis://:***@r:6379/0 does not answer"),
        ("login password=hunter22 failed", "login password=*** failed"),
        ("PASSWORD=hunter22", "PASSWORD=***"),
        ("email=a@b.c&password=hunter22&next=/", "email=a@b.c&password=***&next=/"),
        ('{"password": "hunter22 and more", "email": "a"}', '{"password": ***, "email": "a"}'),
        (r'{"new_password":"hunt\"er22"}', '{"new_password":***}'),
        ("passwd: 'hunter22'", "passwd: ***"),
        ("client_secret=hunter22", "client_secret=***"),
        ("api-key: hunter22", "api-key: ***"),
        ("Authorization: Basic aHVudGVyMjI=", "Authorization: *** ***"),
        ("GET /q?key=hunter22&x=1 HTTP/1.1", "GET /q?key=***&x=1 HTTP/1.1"),
        ("https://shop.example/?a=1&TOKEN=hunter22#top", "https://shop.example/?a=1&TOKEN=***#top"),
        ("csrf_token=hunter22", "csrf_token=***"),
    ],
)
def test_a_process_that_knows_no_secret_covers_what_looks_like_one(text: str, shown: str) -> None:
    assert Redaction().text(text) == shown
    assert Redaction().value("reason", {"of": [text]}) == {"of": [shown]}


def test_what_only_mentions_secrets_is_told() -> None:
    for text in ("the password was changed", "http://h:5000/path", "a key is missing", "tokens: 5", "see /key?page=2"):
        assert Redaction().text(text) == text


def test_a_field_that_is_named_like_a_secret_is_hidden_whole() -> None:
    found = as_json(record("a.thing.failed", new_password="hunter22", headers={"Authorization": "x", "Host": "h"}))
    assert found["new_password"] == HIDDEN
    assert found["headers"] == {"Authorization": HIDDEN, "Host": "h"}


def test_the_settings_know_their_secrets() -> None:
    given = settings.load(
        secret_key="s" * 20,
        database_url="postgresql://quadra:pass-word-1@db/quadra",
        redis_url="redis://:pass-word-2@r:6379/0",
        llm_api_key="sk-llm-123456",
        llm_model="m",
    )
    assert {"s" * 20, "pass-word-1", "pass-word-2", "sk-llm-123456"} <= set(secrets_of(given))


def test_nobody_can_forge_a_line_or_colour_a_terminal() -> None:
    evil = "x\r\n12:00:00 info    accounts.user.promoted user=evil\x1b[31m\u2028\u202e\x9b2J"
    made = record("http.request.failed", reason=evil, exc=ValueError(evil), level=logging.ERROR)
    line = LineFormatter(Redaction()).format(made)
    first, *others = line.splitlines()
    assert "user=evil" in first
    assert all(other.startswith("    ") for other in others)
    assert not set(line) & {"\x1b", "\r", "\u2028", "\u202e", "\x9b"}
    text = JsonLines(Redaction(), environment="e", process="web").format(made)
    assert text.isascii()
    assert text.isprintable()


def test_whoever_logs_never_waits_and_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that nobody reads: the listener hangs in it."""
    go_on = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            go_on.wait(90)
            return super().write(text)

    stderr = Stuck()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr(logs, "QUEUED_LINES", 10)
    logs.set_up(settings.load())
    before = REGISTRY.get_sample_value("quadra_matrix_log_lines_dropped_total") or 0
    began = time.monotonic()
    for number in range(100):
        logging.getLogger("quadra.test").info("test.line.written", extra={"number": number})
    assert time.monotonic() - began < 60
    dropped = (REGISTRY.get_sample_value("quadra_matrix_log_lines_dropped_total") or 0) - before
    assert 85 <= dropped <= 90
    go_on.set()
    logs.shut_down()
    assert len(stderr.getvalue().splitlines()) == 100 - dropped


def test_all_lines_go_to_one_file_and_errors_to_another_too(tmp_path: Path) -> None:
    logs.set_up(settings.load(logs_dir=tmp_path, log_level="INFO"), "worker")
    logging.getLogger("quadra.jobs.executor").info("jobs.job.claimed")
    logging.getLogger("quadra.jobs.executor").error("jobs.claim.failed")
    logs.shut_down()
    everything = [json.loads(line)["event"] for line in (tmp_path / "all-worker.log").read_text().splitlines()]
    errors = [json.loads(line)["event"] for line in (tmp_path / "errors-worker.log").read_text().splitlines()]
    assert (everything, errors) == (["jobs.job.claimed", "jobs.claim.failed"], ["jobs.claim.failed"])


def test_no_two_processes_write_to_one_file(tmp_path: Path) -> None:
    """Rotation by two processes in one file loses lines. A lock is per open file, so one process can stand for two."""
    given = settings.load(logs_dir=tmp_path)
    first, second = open_files(given, tmp_path, "web"), open_files(given, tmp_path, "web")
    for handler in (*first, *second):
        handler.close()
    assert sorted(path.name for path in tmp_path.glob("*.log") if not path.is_symlink()) == [
        "all-web-2.log",
        "all-web.log",
        "errors-web-2.log",
        "errors-web.log",
    ]


def test_files_rotate(tmp_path: Path) -> None:
    logs.set_up(settings.load(logs_dir=tmp_path, log_file_mb=1, log_files_kept=2))
    for _ in range(160):
        logging.getLogger("quadra.test").info("test.line.written", extra={"filler": "f" * 10_000})
    logs.shut_down()
    assert {path.name for path in tmp_path.glob("all-*")} == {"all-web.log", "all-web.log.1"}


def test_a_directory_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="QUADRA_LOGS_DIR"):
        logs.set_up(settings.load(logs_dir=tmp_path / "file" / "logs"))


def test_errors_are_counted_by_kind_and_room() -> None:
    logs.set_up(settings.load())

    def counted(error_type: str, component: str) -> float:
        labels = {"error_type": error_type, "component": component}
        return REGISTRY.get_sample_value("quadra_matrix_errors_total", labels) or 0

    before = counted("ZeroDivisionError", "warehouse"), counted("jobs.claim.failed", "jobs")
    logging.getLogger("quadra.warehouse.query.engine").error("warehouse.query.failed", exc_info=ZeroDivisionError())
    logging.getLogger("quadra.jobs.executor").error("jobs.claim.failed")
    assert (counted("ZeroDivisionError", "warehouse"), counted("jobs.claim.failed", "jobs")) == (
        before[0] + 1,
        before[1] + 1,
    )


def test_libraries_write_no_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in logs.OWN_HANDLERS:  # a server of another test may have given them some before any log was set up
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    logs.set_up(settings.load())
    socketio.Server(async_mode="threading")
    logs.shut_down()
    assert [handler for name in logs.OWN_HANDLERS for handler in logging.getLogger(name).handlers] == []
