"""The lenses: questions about the events of a project, each one statement over the relation `events`."""
