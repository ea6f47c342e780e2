"""Every sink, as a table of contents. A sink exists where it is asked for and its library is installed.

Its module is imported only by a worker that delivers to it: the libraries are optional, and cost memory.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec

from quadra.core.errors import Misconfigured
from quadra.core.settings import Settings
from quadra.jobs.handlers import DELIVERY
from quadra.sinks.sink import Sink

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    """Also the name of the extra of `pyproject.toml` that installs its library."""
    title: str
    library: str
    made_by: str
    """`module:class`; the class takes the settings."""
    setting: str = ""
    """The field of `Settings` that asks for it. Without one an address in QUADRA_SINKS does: `name://…`."""
    gathers: timedelta = timedelta()
    """How long fewer events than make a parcel wait for more."""
    rows_at_once: Callable[[Settings], int] = lambda _: 2_000
    """About as many events are in a parcel; a batch is never cut."""

    @property
    def kind(self) -> str:
        """Of its jobs."""
        return DELIVERY + self.name

    @property
    def variable(self) -> str:
        return f"QUADRA_{self.setting.upper()}" if self.setting else f"QUADRA_SINKS={self.name}://…"

    def wanted(self, settings: Settings) -> bool:
        return bool(getattr(settings, self.setting) if self.setting else settings.sink_address(self.name))

    @property
    def installed(self) -> bool:
        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False

    @property
    def advice(self) -> str:
        return f"Next: pip install 'quadra[{self.name}]', which brings {self.library}, and start again."

    def make(self, settings: Settings) -> Sink:
        module, _, name = self.made_by.partition(":")
        maker: Callable[[Settings], Sink] = getattr(importlib.import_module(module), name)
        return maker(settings)


SINKS = (
    Listed("kafka", "Kafka", "confluent_kafka", "quadra.sinks.kafka:KafkaSink", "kafka_brokers"),
    Listed(
        "bigquery",
        "BigQuery",
        "google.cloud.bigquery",
        "quadra.sinks.bigquery:BigQuerySink",
        "bigquery_dataset",
        gathers=timedelta(seconds=60),
        rows_at_once=lambda settings: settings.bigquery_batch_rows,
    ),
    Listed(
        "clickhouse",
        "ClickHouse",
        "clickhouse_connect",
        "quadra.sinks.clickhouse:ClickHouseSink",
        "clickhouse_url",
        rows_at_once=lambda _: 10_000,
    ),
    Listed("folder", "Folder", "json", "quadra.sinks.folder:FolderSink"),
)


def check_addresses(settings: Settings) -> None:
    """Raises `Misconfigured` for an address that no sink has, and for a second one of the same sink."""
    known = [sink.name for sink in SINKS if not sink.setting]
    asked = [address.partition("://")[0] for address in settings.sinks]
    for name in asked:
        if name not in known:
            accepted = ", ".join(f"{one}://…" for one in known)
            raise Misconfigured(f"QUADRA_SINKS names {name}://, which is no sink of this kind. Accepted: {accepted}.")
        if asked.count(name) > 1:
            raise Misconfigured(f"QUADRA_SINKS names {name}:// twice. Name one address of each sink.")


def configured(settings: Settings) -> tuple[Listed, ...]:
    return tuple(sink for sink in SINKS if sink.wanted(settings) and sink.installed)


def without_library(settings: Settings) -> tuple[Listed, ...]:
    return tuple(sink for sink in SINKS if sink.wanted(settings) and not sink.installed)


def say_what_is_missing(settings: Settings) -> None:
    """At the start, and where people look: a sink that was asked for and cannot be."""
    for sink in without_library(settings):
        logger.warning(
            "sinks.library.missing", extra={"sink": sink.name, "setting": sink.variable, "next": sink.advice}
        )
