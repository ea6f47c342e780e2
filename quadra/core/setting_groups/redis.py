"""Redis, which joins processes."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from pydantic import AliasChoices, BaseModel, Field

from quadra.core.setting_types import Words, sentinel_address


class Redis(BaseModel):
    """One server, or the master that Sentinels name."""

    redis_url: str = Field(
        "",
        description="joins replicas, shares limits; empty: none; `rediss://` is TLS; also read without the prefix",
        validation_alias=AliasChoices("QUADRA_REDIS_URL", "REDIS_URL"),
    )
    redis_enabled: bool | None = Field(
        None, description="false: none, whatever else names one; true where nothing does: this machine's, on port 6379"
    )
    redis_host: str = Field("", description="instead of REDIS_URL, with the following")
    redis_port: int = Field(6379, ge=1, le=65535)
    redis_username: str = ""
    redis_password: str = ""
    redis_db: int = Field(0, ge=0)
    redis_ssl: bool = Field(False, description="TLS, to Sentinels too")
    redis_ssl_ca: Path | None = Field(None, description="file with the certificate of the authority that signed Redis'")
    redis_max_connections: int = Field(50, ge=4, description="of each process")
    redis_use_sentinel: bool = Field(False, description="ask Sentinels for the master instead of naming a host")
    redis_sentinel_hosts: Words = Field([], description="`host:port`, with commas; the port may be left out (26379)")
    redis_sentinel_master: str = Field("mymaster", description="the name under which Sentinels know the master")
    redis_sentinel_password: str = Field("", description="of the Sentinels themselves")

    def check_redis(self) -> None:
        """`redis_url` is where Redis is, whichever way it was named; with Sentinel nobody knows before asking."""
        if self.redis_enabled is False:
            self.redis_url, self.redis_host, self.redis_use_sentinel, self.redis_sentinel_hosts = "", "", False, []
        elif self.redis_enabled and not (self.redis_url or self.redis_host or self.redis_use_sentinel):
            self.redis_host = "127.0.0.1"
        if self.redis_use_sentinel:
            if not self.redis_sentinel_hosts:
                raise ValueError("QUADRA_REDIS_SENTINEL_HOSTS: name the Sentinels, such as a:26379,b:26379,c:26379")
            if self.redis_url or self.redis_host:
                raise ValueError("QUADRA_REDIS_USE_SENTINEL: leave REDIS_URL and QUADRA_REDIS_HOST empty then")
            for word in self.redis_sentinel_hosts:
                sentinel_address(word)
        elif self.redis_sentinel_hosts:
            raise ValueError("QUADRA_REDIS_SENTINEL_HOSTS: they are asked only with QUADRA_REDIS_USE_SENTINEL=true")
        elif not self.redis_url and self.redis_host:
            scheme = "rediss" if self.redis_ssl else "redis"
            name, password = quote(self.redis_username, safe=""), quote(self.redis_password, safe="")
            auth = f"{name}:{password}@" if name or password else ""
            host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
            self.redis_url = f"{scheme}://{auth}{host}:{self.redis_port}/{self.redis_db}"
        if self.redis_url and not re.match(r"(rediss?|unix)://", self.redis_url):
            raise ValueError("REDIS_URL: starts with redis://, rediss:// or unix://")
        if self.redis_ssl_ca and not self.redis_ssl_ca.is_file():
            raise ValueError(f"QUADRA_REDIS_SSL_CA: there is no file {self.redis_ssl_ca}")

    @property
    def redis_configured(self) -> bool:
        return bool(self.redis_url) or self.redis_use_sentinel
