"""The durable job engine; knows no kind by name."""
