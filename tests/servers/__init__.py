"""Real servers for the tests, started on demand on free ports, in directories of their own, and ended with the run."""
