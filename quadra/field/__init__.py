"""What is normal, and how far the present is from it: series of numbers, and the traffic of a project."""

COMMANDS = {
    "train": "quadra.field.train_commands:train",
    "field": "quadra.field.commands:field",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
