"""The lenses: each a question over all events, in a file of its own."""
