"""Kafka: one message an event, idempotent, acknowledged by all replicas, in order for each project.

When a broker takes too long, what was produced is thrown away and the producer with it. The broker has then taken a beginning
of the parcel and nothing behind a gap, since an idempotent producer's messages are taken in order alone. So the parcel that
is sent again repeats that beginning, and a consumer that leaves out repeated ids sees every event once and in order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from quadra.core.errors import Unavailable
from quadra.core.settings import Settings
from quadra.sinks.sink import Parcel, Refused

logger = logging.getLogger(__name__)

SCHEMA_VERSION = "1"
"""Header `schema`. It grows when a field of the export gets another meaning."""
FLUSH_SECONDS = 15.0
POLL_SECONDS = 0.1
Headers = list[tuple[str, str | bytes | None]]
Heard = Callable[["KafkaError | None", Message], None]
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE,)
"""What the event itself is to blame for."""
CLOSE_SECONDS = 1.0


class KafkaSink:
    def __init__(self, settings: Settings):
        self._topic = settings.kafka_topic
        self._trouble = ""
        self._producer = Producer(
            {
                "bootstrap.servers": ",".join(settings.kafka_brokers),
                "client.id": settings.kafka_client_id,
                "linger.ms": 5,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",  # what Java's producers do: a project has the same partition for all
                **_options(settings),
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": 0,  # `send` gives up, for all of a parcel at once: a single one would leave a gap
                "error_cb": self._note,
                "logger": logger,
            }
        )

    def send(self, parcel: Parcel) -> list[Refused]:
        until = time.monotonic() + FLUSH_SECONDS
        ids, batches = parcel.events["event_id"].to_pylist(), parcel.events["batch_id"].to_pylist()
        failures: list[str] = []
        refused: list[Refused] = []

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is None:
                return
            if error.code() in TOO_LARGE:
                headers = message.headers() or []
                sent = {str(header[0]): header[1] for header in headers}
                refused.append(Refused(_text(sent["event_id"]), _text(sent["batch_id"]), error.str()))
            else:
                failures.append(error.str())

        for event_id, batch_id, line in zip(ids, batches, parcel.lines, strict=True):
            headers: Headers = [("batch_id", batch_id), ("event_id", event_id), ("schema", SCHEMA_VERSION)]
            while not self._produce(parcel.project, line, headers, acknowledged, refused):
                self._producer.poll(POLL_SECONDS)
                if time.monotonic() > until or failures:
                    raise self._away(failures, len(ids))
        left = self._producer.flush(max(0.0, until - time.monotonic()))
        if left or failures:
            raise self._away(failures, left or len(failures))
        return refused

    def close(self) -> None:
        """Without waiting for what was not acknowledged: it will be sent again."""
        self._producer.purge(in_queue=True, in_flight=True, blocking=False)
        self._producer.flush(CLOSE_SECONDS)

    def _produce(self, key: str, line: str, headers: Headers, acknowledged: Heard, refused: list[Refused]) -> bool:
        """False where the library's own queue is full."""
        try:
            self._producer.produce(self._topic, value=line, key=key, headers=headers, on_delivery=acknowledged)
        except BufferError:
            return False
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() not in TOO_LARGE:
                raise
            refused.append(Refused(str(headers[1][1]), str(headers[0][1]), cause.str()))
        return True

    def _note(self, error: KafkaError) -> None:
        self._trouble = error.str()

    def _away(self, failures: list[str], left: int) -> Unavailable:
        why = failures[0] if failures else self._trouble or f"no answer within {FLUSH_SECONDS:g} s"
        return Unavailable(f"{left} events were not acknowledged: {why}")


def _options(settings: Settings) -> dict[str, str]:
    given = (word.partition("=") for word in settings.kafka_options)
    options = {name.strip(): value.strip() for name, _, value in given}
    return {**options, "sasl.password": settings.kafka_password} if settings.kafka_password else options


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
