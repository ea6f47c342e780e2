"""Events come in: accept, write, batch."""
