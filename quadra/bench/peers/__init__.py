"""Quadra beside other products on the same machine, database and events: what each takes, costs, holds and answers."""
