"""ClickHouse: the table of events there, and questions asked of it."""
