"""A web process: where it listens, how long it waits for clients, and its secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, Field

from quadra.core.setting_types import Duration, Networks, Origins


class Serving(BaseModel):
    environment: Literal["development", "production"] = Field(
        "development", description="production refuses a SECRET_KEY that can be guessed"
    )
    data_dir: Path = Field(Path("data"), description="where everything lies that is not in the database")
    database_url: str = Field(
        "",
        description="sqlite, postgresql, mysql or mariadb; empty is SQLite in DATA_DIR; also read without the prefix",
        validation_alias=AliasChoices("QUADRA_DATABASE_URL", "DATABASE_URL"),
    )
    secret_key: str = Field(
        "",
        description="signs session cookies, the same on every replica; in production 32 bytes or more that nobody guesses, "
        "such as the output of `openssl rand -hex 32`; empty, which only development takes: made once, kept in the database",
    )
    host: str = Field("127.0.0.1", description="the address to listen on; 0.0.0.0 for all")
    port: int = Field(5000, ge=0, le=65535, description="0 picks a free one")
    async_mode: Literal["eventlet", "gevent"] = Field("eventlet", description="the event loop's library")
    socket_path: str = Field("socket.io", description="of Socket.IO, without slashes")
    public_url: str = Field("", description="what people type to come here, such as https://quadra.example.com")
    hsts: str = Field(
        "max-age=31536000",
        pattern=r"^(max-age=\d+(; includeSubDomains)?(; preload)?)?$",
        description="`Strict-Transport-Security` of answers that came by https: browsers then come to this host, on every port, "
        "by https alone; empty sends none",
    )
    trusted_proxies: Networks = Field([], description="networks whose X-Forwarded-… headers are believed, with commas")
    geo_database: Path | None = Field(
        None,
        description="a database of cities (MMDB: DB-IP's or MaxMind's), for regions; countries are known without it",
    )
    cors_origins: Origins = Field(
        [], description="other sites that may use the dashboard's sockets with a session, with commas"
    )

    header_timeout: Duration = Field(
        timedelta(seconds=30), gt=timedelta(0), description="for the head of a request, from its first byte"
    )
    body_timeout: Duration = Field(timedelta(seconds=60), gt=timedelta(0), description="for the body of a request")
    idle_timeout: Duration = Field(timedelta(seconds=120), gt=timedelta(0), description="between two requests")
    connections_per_address: int = Field(
        5_000, ge=0, description="at the same time, but for TRUSTED_PROXIES; 0 counts none"
    )
    drain_delay: Duration = Field(
        timedelta(0),
        le=timedelta(seconds=15),
        description="that a process which was told to stop still serves, while balancers see that it is not ready",
    )
