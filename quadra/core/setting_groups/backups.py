"""Backups, replicas, and the stores they lie in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from quadra.core.setting_types import BaseSchedule, BucketName, CronTimes, Duration, Words


class Backups(BaseModel):
    backup_dir: Path | None = Field(None, description="where backups lie; empty: backups/ in DATA_DIR")
    backup_secondary_dir: Path | None = Field(None, description="where each backup is copied, on another disk")
    backup_s3: BucketName = Field("", description="bucket or bucket/prefix where each backup is copied")
    backup_compression: Literal["zstd", "gzip"] = "zstd"
    backup_key_file: Path | None = Field(
        None, description="encrypts backups; a file of 32 bytes or more. Keep a copy: without it they cannot be read"
    )
    backup_age_warn: Duration = Field(timedelta(hours=48), description="the newest backup is too old from here on")
    backup_age_fail: Duration = timedelta(hours=72)
    backup_schedule: bool = Field(True, description="whether the worker takes backups at the times below")
    backup_models_at: CronTimes = Field("0 * * * *", description="when models are backed up: cron, UTC")
    backup_database_at: CronTimes = Field("0 2 * * *", description="when the database is backed up")
    backup_full_at: CronTimes = Field("0 3 * * 0", description="when everything is backed up")
    backup_prune_at: CronTimes = Field("0 4 * * *", description="when old backups are removed")
    backup_verify_at: CronTimes = Field("0 5 * * *", description="when the newest backup is restored on trial")
    backup_keep_days: int = Field(2, ge=0, description="for which every backup stays")
    backup_keep_hourly: int = Field(24, ge=0, description="hours of which the newest of each kind stays")
    backup_keep_daily: int = Field(7, ge=0)
    backup_keep_weekly: int = Field(4, ge=0)
    backup_keep_monthly: int = Field(6, ge=0)
    base_schedule: BaseSchedule = Field(
        "weekly",
        description="base backups that the worker takes where WAL_ARCHIVE is set: weekly (Sunday 01:00 UTC), daily, never "
        "or cron times",
    )
    base_keep: int = Field(
        2, ge=1, description="base backups of PostgreSQL that stay; with them the WAL since the oldest"
    )
    postgres_admin_url: str = Field(
        "", description="a superuser, for base backups, WAL switches and promotion; empty: the database's own user"
    )
    postgres_bin: Path | None = Field(None, description="where pg_basebackup, pg_ctl, pg_rewind lie, if not as usual")
    wal_archive: Path | None = Field(None, description="where archive_command puts the WAL; see quadra wal setup")
    replicas: Words = Field([], description="the database's replicas, as URLs or host:port, with commas")
    replica_lag_degraded: Duration = Field(timedelta(seconds=300), gt=timedelta(0))
    replica_lag_unhealthy: Duration = Field(timedelta(seconds=600), gt=timedelta(0))
    fence_command: str = Field("", description="makes sure that the old primary cannot write; run before a promotion")
    s3_endpoint: str = Field("", description="of an S3-compatible store; empty is Amazon's own")
    s3_region: str = "us-east-1"
    s3_access_key: str = Field("", description="empty: as the AWS tools find it, such as the machine's role")
    s3_secret_key: str = ""
    s3_encryption: Literal["", "AES256", "aws:kms"] = Field("", description="that the store is asked for")
