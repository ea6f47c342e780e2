"""Sinks: sealed batches leave for other systems. What a sink was not given yet waits."""

COMMANDS = {"sink": "quadra.sinks.commands:sink"}
