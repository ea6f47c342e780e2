"""What operators see and bound: logs, metrics, limits, health, releases, accounts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from quadra.core.setting_types import Duration, HttpAddress, LogLevel, Networks, Words


class Observing(BaseModel):
    use_structured_logging: bool = Field(False, description="JSON lines instead of lines for people")
    log_level: LogLevel = Field(
        "INFO", description="in any case; `warn`, `critical` and the like are taken for the nearest"
    )
    logs_dir: Path | None = Field(None, description="for files of JSON lines, all and errors only; empty: none")
    log_file_mb: int = Field(50, ge=1, description="size at which a log file is rotated")
    log_files_kept: int = Field(5, ge=1, description="rotated files that are kept of each")
    metrics_allow: Networks = Field(
        [], description="networks that may read /metrics without a key, beside this machine itself, with commas"
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="where a `quadra worker` that runs by itself shows its /metrics; empty: nowhere",
    )
    rate_limit_enabled: bool = Field(True, description="whether anything is counted; docs/limits.md")
    rate_limit_reads: int = Field(600, ge=1, description="requests a minute of a read or admin key, or of a user")
    rate_limit_training: int = Field(10, ge=1, description="trainings of the model a minute, the same way")
    rate_limit_ingest: int = Field(100_000, ge=0, description="events a minute of a write key; 0 counts none")
    rate_limit_refused: int = Field(
        600, ge=0, description="requests a minute of an address that ingest refuses for want of a key; 0 counts none"
    )
    rate_limit_strangers_hour: int = Field(
        50, ge=1, description="requests to /api of an address without key or session"
    )
    rate_limit_strangers_day: int = Field(200, ge=1)
    rate_limit_open: int = Field(120, ge=1, description="requests a minute of such an address to login, pages, status")
    rate_limit_login: int = Field(5, ge=1, description="tries a minute per account and address")
    rate_limit_share: int = Field(300, ge=1, description="requests a minute per address to share links")


class Health(BaseModel):
    self_observe: bool = Field(True, description="whether requests, errors and samples go to the project `quadra`")
    self_observe_per_second: int = Field(
        10, ge=1, description="at the most, of each process; more is dropped and counted"
    )
    health_interval: Duration = Field(
        timedelta(seconds=30), ge=timedelta(seconds=1), description="between two reports that a worker keeps"
    )
    health_keep: Duration = Field(timedelta(days=7), ge=timedelta(minutes=1), description="of those reports")
    health_database_warn: Duration = Field(timedelta(milliseconds=100), description="a round trip is slow from here on")
    health_database_fail: Duration = timedelta(milliseconds=500)
    health_write_warn: Duration = Field(timedelta(milliseconds=500), description="a commit is slow from here on")
    health_write_fail: Duration = timedelta(seconds=2)
    health_pool_warn: float = Field(80, ge=0, le=100, description="percent of this process's connections in use")
    health_redis_warn: Duration = Field(timedelta(milliseconds=10), description="a ping is slow from here on")
    health_redis_fail: Duration = timedelta(milliseconds=50)
    health_backlog_warn: Duration = Field(timedelta(minutes=5), description="that a job which is due has waited")
    health_backlog_fail: Duration = timedelta(hours=1)
    health_dead_letters_warn: int = Field(10, ge=1, description="jobs that were given up within a day")
    health_ai_warn: Duration = Field(timedelta(seconds=1), description="the LLM's server is slow from here on")
    health_ai_fail: Duration = timedelta(seconds=5)
    health_disk_warn: float = Field(80, ge=0, le=100, description="percent of DATA_DIR's disk")
    health_disk_fail: float = Field(90, ge=0, le=100)
    health_memory_warn: float = Field(80, ge=0, le=100, description="percent of the machine's")
    health_memory_fail: float = Field(95, ge=0, le=100)
    health_cpu_warn: float = Field(80, ge=0, le=100, description="percent of the machine's, over five minutes")
    health_cpu_fail: float = Field(95, ge=0, le=100, description="told in stronger words; never worse than degraded")
    health_clock_warn: Duration = Field(
        timedelta(seconds=5),
        ge=timedelta(seconds=1),
        description="that another process's clock or the database's differs",
    )


class Rollout(BaseModel):
    rollout_dir: Path | None = Field(None, description="of `quadra rollout`; empty: rollout/ in DATA_DIR")
    rollout_schema: str = Field(
        "",
        description="the watcher sets it: the newer schema, by additive migrations alone, that this release may run over",
    )
    supervisor_check: Duration = Field(
        timedelta(seconds=30), ge=timedelta(milliseconds=100), description="between two probes of each replica"
    )
    supervisor_failures: int = Field(3, ge=1, description="probes in a row after which a replica is restarted")
    supervisor_successes: int = Field(2, ge=1, description="probes in a row after which a new replica is ready")
    supervisor_attempts: int = Field(5, ge=1, description="restarts of a process before it is given up")
    supervisor_backoff: Duration = Field(
        timedelta(seconds=60), ge=timedelta(milliseconds=100), description="before the second restart; then doubled"
    )
    supervisor_reset_after: Duration = Field(
        timedelta(minutes=10), gt=timedelta(0), description="of being well, after which restarts are forgotten"
    )
    supervisor_start_timeout: Duration = Field(
        timedelta(seconds=60), ge=timedelta(seconds=1), description="for a new replica to be ready"
    )
    supervisor_gate_requests: int = Field(200, ge=1, description="to each new replica before it is used")
    supervisor_gate_p95: Duration = Field(
        timedelta(seconds=2), gt=timedelta(0), description="that 95 of 100 of them may take at the most"
    )
    supervisor_memory_mb: int | None = Field(
        None, ge=1, description="that a process with its children may take; empty: as much as it likes"
    )
    rollout_rehearsal_url: str = Field(
        "", description="a database restored from a backup: each release's migrations are tried on it first"
    )


class Accounts(BaseModel):
    admin_email: str = Field("admin@quadra.local", description="the account that the first start makes")
    session_idle: Duration = Field(
        timedelta(days=7),
        ge=timedelta(minutes=1),
        description="after which a session that nobody used ends; 30 days end each",
    )
    registration_open: bool = Field(False, description="whether strangers may make themselves an account, as viewers")
    oidc_issuer: HttpAddress = Field("", description="an OpenID provider by which people sign in; docs/security.md")
    oidc_client_id: str = Field("", description="as which it knows Quadra")
    oidc_client_secret: str = Field("", description="empty for a public client, which PKCE alone protects")
    oidc_allowed_domains: Words = Field(
        [], description="of e-mail addresses that may sign in by it, with commas; empty: any that it answers for"
    )
    oidc_default_role: Literal["none", "viewer", "editor", "admin"] = Field(
        "viewer", description="of an account that is made by the first sign-in; none: an admin gives it projects"
    )
