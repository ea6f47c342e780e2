"""Every table of every room, for Alembic. A room with tables adds its line here."""

from quadra.accounts import tables as accounts
from quadra.alerts import tables as alerts
from quadra.alerts.reports import tables as reports
from quadra.analytics import tables as analytics
from quadra.core import presence
from quadra.field import tables as field
from quadra.health import tables as health
from quadra.ingest import tables as ingest
from quadra.insights import tables as insights
from quadra.jobs import tables as jobs
from quadra.sinks import tables as sinks
from quadra.warehouse import tables as warehouse

ALL = (presence, accounts, analytics, ingest, insights, jobs, warehouse, field, health, sinks, alerts, reports)
