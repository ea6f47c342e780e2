"""librdkafka's own mock cluster: brokers that speak Kafka over TCP, in this process, and that can be taken down and up.

The Python client starts one by `test.mock.num.brokers` and gives no way to its brokers; the C functions do.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka
import orjson
from confluent_kafka import Consumer, TopicPartition

from tests.waiting import PATIENCE_SECONDS

PRODUCER = 0


def _library() -> Any:
    beside = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(beside.glob("librdkafka-*.so*"))))
    for name, result, *arguments in (
        ("rd_kafka_conf_new", ctypes.c_void_p),
        ("rd_kafka_new", ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
        ("rd_kafka_destroy", None, ctypes.c_void_p),
        ("rd_kafka_mock_cluster_new", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
        ("rd_kafka_mock_cluster_destroy", None, ctypes.c_void_p),
        ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p, ctypes.c_void_p),
        ("rd_kafka_mock_broker_set_down", ctypes.c_int, ctypes.c_void_p, ctypes.c_int32),
        ("rd_kafka_mock_broker_set_up", ctypes.c_int, ctypes.c_void_p, ctypes.c_int32),
        (
            "rd_kafka_mock_topic_create",
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_int,
        ),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class KafkaCluster:
    """Brokers in this process."""

    def __init__(self, brokers: int = 1):
        self._library = _library()
        self._ids = range(1, brokers + 1)
        why = ctypes.create_string_buffer(512)
        self._client = self._library.rd_kafka_new(PRODUCER, self._library.rd_kafka_conf_new(), why, len(why))
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        assert self._cluster, why.value
        self.brokers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create(self, topic: str, partitions: int = 4) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, len(self._ids)) == 0

    def down(self) -> None:
        for broker in self._ids:
            assert self._library.rd_kafka_mock_broker_set_down(self._cluster, broker) == 0

    def up(self) -> None:
        for broker in self._ids:
            assert self._library.rd_kafka_mock_broker_set_up(self._cluster, broker) == 0

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def messages(self, topic: str, seconds: float = PATIENCE_SECONDS, least: int = 0) -> list[Heard]:
        """What lies in a topic, each partition in its order; waits until there are `least`."""
        until = time.monotonic() + seconds
        while True:
            found = self._read(topic)
            if len(found) >= least or time.monotonic() > until:
                return found
            time.sleep(0.2)

    def _read(self, topic: str) -> list[Heard]:
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "test", "enable.auto.commit": False})
        try:
            known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            found = []
            for partition in known:
                _low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
                if not high:
                    continue
                consumer.assign([TopicPartition(topic, partition, 0)])
                seen = 0
                while seen < high:
                    for message in consumer.consume(500, timeout=0.3):
                        assert message.error() is None, message.error()
                        found.append(Heard(message))
                        seen = message.offset() + 1
            return found
        finally:
            consumer.close()


class Heard:
    """A message."""

    def __init__(self, message: Any):
        self.key = message.key().decode()
        self.headers = {name: value.decode() for name, value in message.headers()}
        self.event = orjson.loads(message.value())
        self.partition = message.partition()


def once(messages: list[Heard]) -> dict[str, list[str]]:
    """project -> event ids in the order of their first arrival."""
    seen: dict[str, dict[str, None]] = {}
    for message in messages:
        seen.setdefault(message.key, {})[message.headers["event_id"]] = None
    return {project: list(ids) for project, ids in seen.items()}


@contextmanager
def kafka_cluster(brokers: int = 1) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(brokers)
    try:
        yield cluster
    finally:
        cluster.close()
