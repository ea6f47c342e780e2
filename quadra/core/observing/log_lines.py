"""How a log record becomes a line: JSON for programs, words for people. Both without secrets and on lines of their own.

The fields stand in docs/observability.md; the shippers under deploy/ name them, and a test holds them together.
"""

from __future__ import annotations

import logging
import re
import socket
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from quadra.core.observing.redaction import Redaction

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+){1,3}")
"""`room.noun.verb_past`, which is what our own messages are."""
FOREIGN_EVENT = "library.line.logged"


def event_of(record: logging.LogRecord) -> tuple[str, str]:
    """(what happened, the words for it)."""
    message = record.getMessage()
    return (message if EVENT.fullmatch(message) else FOREIGN_EVENT), message


class JsonLines(JsonFormatter):
    """One JSON object a line."""

    def __init__(self, redaction: Redaction, *, environment: str, process: str):
        super().__init__()
        self._redaction = redaction
        self._always = {"environment": environment, "hostname": socket.gethostname(), "process": process}

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        event, message = event_of(record)
        log_data |= {
            "timestamp": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "event": event,
            "message": self._redaction.text(message),
            **self._always,
            "pid": record.process,
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
            "thread": record.threadName,
        }
        for name, value in record.__dict__.items():
            if name not in STANDARD and name not in log_data:
                log_data[name] = self._redaction.value(name, value)
        if record.exc_info:
            log_data["exception_type"] = record.exc_info[0].__name__ if record.exc_info[0] else ""
            log_data["exception"] = self._redaction.lines(self.formatException_text(record))

    def formatException_text(self, record: logging.LogRecord) -> str:  # noqa: N802  (beside the library's own)
        return logging.Formatter.formatException(self, record.exc_info) if record.exc_info else ""


class LineFormatter(logging.Formatter):
    """For people: time, level, what happened, and its details as `name=value`."""

    def __init__(self, redaction: Redaction):
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        details = " ".join(
            f"{name}={self._redaction.value(name, value)}"
            for name, value in record.__dict__.items()
            if name not in STANDARD and value not in ("", None)
        )
        time = self.formatTime(record, "%H:%M:%S")
        message = self._redaction.text(record.getMessage())
        line = f"{time} {record.levelname.lower():7} {message} {details}".rstrip()
        if not record.exc_info:
            return line
        # indented: a line that an error's text brings along cannot pass for one of ours
        trace = self._redaction.lines(self.formatException(record.exc_info)).splitlines()
        return "\n".join([line, *(f"    {self._redaction.text(part)}" for part in trace)])
