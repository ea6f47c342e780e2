"""History as columns: compaction, segments, the query engine, retention, erasure."""
