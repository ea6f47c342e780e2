"""Sinks: sealed batches leave for Kafka, BigQuery and ClickHouse. What a sink was not given yet waits."""

COMMANDS = {"sink": "quadra.sinks.commands:sink"}
