"""What handlers of tests write. Apart from the fixtures: each worker process loads it, and pytest takes 0.7 s of CPU."""

from __future__ import annotations

import sqlalchemy as sa

effects = sa.Table(
    "test_effect",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job_id", sa.String(36), nullable=False),
    sa.Column("what", sa.String(10), nullable=False),
)
"""Nothing in it is unique: a second effect of a job is a second row."""
