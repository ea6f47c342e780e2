"""Write without waiting for rows that another process holds: one that was halted in the middle of a transaction holds them for
as long as the server lets it, and the upkeep of all others must go on meanwhile. What is left out now is found again later.

SQLite locks no rows: there, nobody else writes meanwhile.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core.database import Base


def delete_free(
    session: Session, table: type[Base], which: sa.ColumnElement[bool], *, at_most: int | None = None
) -> int:
    """Delete such rows; how many."""
    keys = sa.inspect(table).primary_key
    free = session.execute(sa.select(*keys).where(which).limit(at_most).with_for_update(skip_locked=True)).all()
    if free:
        # each by its key: a list of keys MariaDB may look for in all rows, and it waits for each that is locked
        this = [key == sa.bindparam(f"key_{at}") for at, key in enumerate(keys)]
        values = [{f"key_{at}": value for at, value in enumerate(row)} for row in free]
        session.connection().execute(sa.delete(table).where(*this), values)
    return len(free)
