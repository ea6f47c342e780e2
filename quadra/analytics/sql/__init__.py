"""The SQL box: statements of editors over the events of one project, in a process of their own."""
