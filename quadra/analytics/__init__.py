"""The lenses: questions about the events of a project, each one statement over the relation `events`."""

COMMANDS = {"annotate": "quadra.analytics.kept.commands:annotate_command"}
"""name -> module:function. The module is imported only when somebody asks for the command."""
