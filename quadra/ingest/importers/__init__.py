"""Files as events: access logs, NDJSON, JSON and CSV, read as a stream however large they are."""
