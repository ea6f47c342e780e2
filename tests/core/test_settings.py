"""Settings: each from its variable, refused by name with what it accepts."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from quadra.core import environment
from quadra.core.errors import Misconfigured
from quadra.core.setting_names import notes, unknown
from quadra.core.setting_types import sentinel_address
from quadra.core.settings import Settings, load


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's; what `load` adds is taken away again."""
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if not ours(name)})


def ours(name: str) -> bool:
    return name.startswith(("QUADRA_", "DATABASE_URL", "REDIS_")) or name in environment.PLAIN + tuple(
        environment.RENAMED
    )


@pytest.mark.parametrize(
    ("name", "value", "accepts"),
    [
        ("QUADRA_PORT", "http", "integer"),
        ("QUADRA_PORT", "70000", "65535"),
        ("QUADRA_PORT", "-1", "0"),
        ("QUADRA_ASYNC_MODE", "twisted", "'eventlet' or 'gevent'"),
        ("QUADRA_BATCH_MAX_EVENTS", "0", "greater than or equal to 1"),
        ("QUADRA_BATCH_MAX_AGE", "soon", "a duration such as 10m, 60s, 250ms or 1h"),
        ("QUADRA_BATCH_MAX_AGE", "-5s", "a duration"),
        ("QUADRA_INGEST_TIMEOUT", "", "a duration"),
        ("QUADRA_LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("QUADRA_USE_STRUCTURED_LOGGING", "perhaps", "boolean"),
        ("QUADRA_TRUSTED_PROXIES", "10.0.0.0/99", "10.0.0.0/99"),
        ("QUADRA_ENVIRONMENT", "staging", "'development' or 'production'"),
        ("DATABASE_URL", "oracle://x/y", "starts with sqlite://"),
        ("REDIS_URL", "http://x", "starts with redis://"),
        ("QUADRA_REDIS_MAX_CONNECTIONS", "1", "greater than or equal to 4"),
        ("QUADRA_REDIS_SSL_CA", "/nowhere/ca.crt", "there is no file"),
        ("QUADRA_REDIS_SENTINEL_HOSTS", "a:26379", "QUADRA_REDIS_USE_SENTINEL=true"),
        ("QUADRA_CORS_ORIGINS", "https://a.example,not an origin", "'not an origin' is no origin"),
        ("QUADRA_CORS_ORIGINS", "https://a.example/", "no slash at the end"),
        ("QUADRA_LLM_BASE_URL", "nourl", "an address such as https://"),
        ("QUADRA_BACKUP_S3", "s3://bucket/prefix", "bucket or bucket/prefix, without s3://"),
        ("QUADRA_SEGMENT_S3", "/prefix", "bucket or bucket/prefix"),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_it_accepts(
    name: str, value: str, accepts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(Misconfigured) as caught:
        load()
    assert name in caught.value.message
    assert accepts in caught.value.message


def test_what_is_no_setting_is_told_with_the_one_that_was_perhaps_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "QUADRA_BACKUP_KEEP_DAYLY",
        "QUADRA_QQQ",
        "QUADRA_PORT",
        "QUADRA_SECRET_KEY_FILE",
        "QUADRA_VALIDATE_KEY",
    ):
        monkeypatch.setitem(os.environ, name, "1")
    assert unknown() == {"QUADRA_BACKUP_KEEP_DAYLY": "QUADRA_BACKUP_KEEP_DAILY", "QUADRA_QQQ": ""}


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "QUADRA_PORT", "x")
    monkeypatch.setitem(os.environ, "QUADRA_ASYNC_MODE", "y")
    with pytest.raises(Misconfigured) as caught:
        load()
    assert "QUADRA_PORT='x'" in caught.value.message
    assert "QUADRA_ASYNC_MODE='y'" in caught.value.message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("60s", 60), ("250ms", 0.25), ("1.5h", 5400), ("2d", 172800), ("7", 7), (" 5 s ", 5)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "QUADRA_BATCH_MAX_AGE", text)
    assert load().batch_max_age == timedelta(seconds=seconds)


@pytest.mark.parametrize("name", ["DATABASE_URL", "QUADRA_DATABASE_URL"])
@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("mysql://h/d", "mysql+pymysql://h/d"),
        ("mariadb://h/d", "mariadb+pymysql://h/d"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_the_database_is_named_with_and_without_prefix(
    name: str, given: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, name, given)
    assert load().database_url == url


def test_the_variable_with_prefix_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DATABASE_URL", "sqlite:///general.db")
    monkeypatch.setitem(os.environ, "QUADRA_DATABASE_URL", "sqlite:///own.db")
    assert load().database_url == "sqlite:///own.db"


def test_without_a_database_it_is_sqlite_in_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "QUADRA_DATA_DIR", str(tmp_path))
    found = load()
    assert found.database_url == f"sqlite:///{tmp_path / 'quadra.db'}"
    assert found.is_sqlite


@pytest.mark.parametrize("name", ["DATABASE_URL", "QUADRA_SECRET_KEY", "REDIS_URL"])
def test_a_value_may_lie_in_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("redis://h:1/2\n" if name == "REDIS_URL" else "sqlite:///from-file.db\n")
    monkeypatch.setitem(os.environ, f"{name}_FILE", str(secret))
    found = load()
    field = name.removeprefix("QUADRA_").lower()
    assert getattr(found, field) == secret.read_text().strip()


def test_the_variable_itself_wins_over_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from the file")
    monkeypatch.setitem(os.environ, "QUADRA_SECRET_KEY_FILE", str(tmp_path / "secret"))
    monkeypatch.setitem(os.environ, "QUADRA_SECRET_KEY", "itself")
    assert load().secret_key == "itself"


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "QUADRA_SECRET_KEY_FILE", "/nonexistent/secret")
    with pytest.raises(Misconfigured, match=r"QUADRA_SECRET_KEY_FILE: cannot read /nonexistent/secret: No such file"):
        load()


def test_a_setting_that_is_a_file_is_not_read_as_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(128, 160)))  # no text
    monkeypatch.setitem(os.environ, "QUADRA_BACKUP_KEY_FILE", str(key))
    assert load().backup_key_file == key
    assert "QUADRA_BACKUP_KEY" not in os.environ


def test_redis_is_named_by_its_parts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "r.example", "PORT": "6380", "PASSWORD": "p", "DB": "3", "SSL": "true"}.items():
        monkeypatch.setitem(os.environ, f"QUADRA_REDIS_{name}", value)
    assert load().redis_url == "rediss://:p@r.example:6380/3"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "QUADRA_REDIS_SENTINEL_HOSTS: name the Sentinels"),
        ({"QUADRA_REDIS_SENTINEL_HOSTS": "a:b:c"}, "'a:b:c' is not host:port"),
        ({"QUADRA_REDIS_SENTINEL_HOSTS": "a", "REDIS_URL": "redis://h"}, "leave REDIS_URL"),
    ],
)
def test_sentinels_that_cannot_be_asked_stop_the_start(
    given: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"QUADRA_REDIS_USE_SENTINEL": "true", **given}.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(Misconfigured) as caught:
        load()
    assert says in caught.value.message


def test_sentinels_are_named_with_commas_and_their_port_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "QUADRA_REDIS_USE_SENTINEL", "true")
    monkeypatch.setitem(os.environ, "QUADRA_REDIS_SENTINEL_HOSTS", "a:26380, b,[::1]:7")
    given = load()
    assert [sentinel_address(word) for word in given.redis_sentinel_hosts] == [("a", 26380), ("b", 26379), ("::1", 7)]
    assert given.redis_configured


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "oracle://ada:hunter2@db/x"),
        ("DATABASE_URL", "postgres//ada:hunter2@db/x"),
        ("REDIS_URL", "http://:hunter2@redis"),
        ("REDIS_URL", "http://:p@hunter2@redis"),
        ("QUADRA_REDIS_PORT", "redis://:hunter2@redis"),
    ],
)
def test_a_wrong_value_is_told_without_its_secrets(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(Misconfigured, match=name) as caught:
        load()
    assert "hunter2" not in str(caught.value)


SAMPLES = {
    "REDIS_ENABLED": ("true", "redis_enabled", True),
    "REDIS_HOST": ("r.example", "redis_host", "r.example"),
    "REDIS_PORT": ("6380", "redis_port", 6380),
    "REDIS_PASSWORD": ("p", "redis_password", "p"),
    "REDIS_DB": ("3", "redis_db", 3),
    "REDIS_MAX_CONNECTIONS": ("7", "redis_max_connections", 7),
    "REDIS_SSL": ("true", "redis_ssl", True),
    "REDIS_USE_SENTINEL": ("false", "redis_use_sentinel", False),
    "REDIS_SENTINEL_MASTER": ("main", "redis_sentinel_master", "main"),
    "USE_STRUCTURED_LOGGING": ("true", "use_structured_logging", True),
    "LOG_LEVEL": ("warn", "log_level", "WARNING"),
    "KAFKA_BROKERS": ("a:1,b:2", "kafka_brokers", ["a:1", "b:2"]),
    "KAFKA_CLIENT_ID": ("me", "kafka_client_id", "me"),
    "OPENAI_API_KEY": ("sk-x", "llm_api_key", "sk-x"),
    "BACKUP_SECONDARY_STORAGE": ("/mnt/second", "backup_secondary_dir", Path("/mnt/second")),
    "BACKUP_RETENTION_DAYS": ("30", "backup_keep_days", 30),
}


@pytest.mark.parametrize("name", [*environment.PLAIN, *environment.RENAMED])
def test_a_name_that_people_bring_along_is_read_and_the_one_with_prefix_wins(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "REDIS_SENTINEL_HOSTS":
        monkeypatch.setitem(os.environ, "REDIS_USE_SENTINEL", "true")
    value, field, expected = SAMPLES.get(name, ("a:1,b:2", "redis_sentinel_hosts", ["a:1", "b:2"]))
    monkeypatch.setitem(os.environ, name, value)
    assert getattr(load(), field) == expected
    monkeypatch.setitem(os.environ, f"QUADRA_{field.upper()}", "nonsense" if field == "redis_port" else value)
    monkeypatch.setitem(os.environ, name, "")
    if field != "redis_port":
        assert getattr(load(), field) == expected
    else:
        with pytest.raises(Misconfigured, match="QUADRA_REDIS_PORT='nonsense'"):
            load()


def test_a_wrong_value_names_the_variable_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "REDIS_PORT", "many")
    with pytest.raises(Misconfigured, match=r"^REDIS_PORT='many'"):
        load()


def test_the_address_that_containers_are_given_for_a_service_named_redis_is_no_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "REDIS_PORT", "tcp://10.0.0.7:6379")
    assert load().redis_port == 6379
    assert not load().redis_configured


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"REDIS_ENABLED": "true"}, "redis://127.0.0.1:6379/0"),
        ({"REDIS_ENABLED": "true", "REDIS_HOST": "r"}, "redis://r:6379/0"),
        ({"REDIS_ENABLED": "false", "REDIS_HOST": "r"}, ""),
        ({"REDIS_ENABLED": "false", "REDIS_URL": "redis://r"}, ""),
        ({"REDIS_ENABLED": "false", "REDIS_USE_SENTINEL": "true", "REDIS_SENTINEL_HOSTS": "a"}, ""),
    ],
)
def test_redis_is_turned_on_and_off_by_one_name(
    given: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setitem(os.environ, name, value)
    found = load()
    assert found.redis_url == url
    assert found.redis_configured == bool(url)


def test_a_key_of_openai_is_enough_for_its_analyst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "sk-x")
    assert load().llm_configured
    assert load().llm_model


def test_a_second_store_that_is_a_bucket_is_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "BACKUP_SECONDARY_STORAGE", "s3://bucket/prefix/")
    found = load()
    assert (found.backup_s3, found.backup_secondary_dir) == ("bucket/prefix", None)


def test_an_env_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text('\ufeffQUADRA_PORT=6001\n# a line\nexport REDIS_HOST="r"\nQUADRA_HOST=\n')
    monkeypatch.setitem(os.environ, "QUADRA_HOST", "0.0.0.0")
    found = load()
    assert (found.port, found.host, found.redis_url) == (6001, "0.0.0.0", "redis://r:6379/0")


def test_an_env_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "QUADRA_ENV_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(Misconfigured, match=r"QUADRA_ENV_FILE: cannot read .*nowhere: No such file"):
        load()
    (tmp_path / "bytes").write_bytes(b"QUADRA_PORT=\xff")
    monkeypatch.setitem(os.environ, "QUADRA_ENV_FILE", str(tmp_path / "bytes"))
    with pytest.raises(Misconfigured, match="bytes: cannot read it: it is not UTF-8"):
        load()


@pytest.mark.parametrize(
    ("owner", "group", "mode", "why"),
    [
        (1000, 1000, 0o600, None),
        (1000, 1000, 0o664, None),  # a group of the user's own
        (0, 0, 0o644, None),
        (1000, 100, 0o644, None),
        (1000, 100, 0o664, "other users may write it"),
        (1000, 1000, 0o666, "other users may write it"),
        (0, 0, 0o646, "other users may write it"),
        (1001, 1000, 0o600, "belongs to another user (uid 1001)"),
    ],
)
def test_an_env_file_counts_where_nobody_else_wrote_it(owner: int, group: int, mode: int, why: str | None) -> None:
    found = os.stat_result((0o100000 | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))
    said = environment.not_trusted(found, me=1000)
    assert (said is None) if why is None else (why in (said or ""))


def test_an_env_file_that_others_may_write_stops_the_start_unless_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".env"
    file.write_text("QUADRA_PORT=6001\n")
    file.chmod(0o666)
    with pytest.raises(Misconfigured, match=r"\.env: not read: other users may write it.*chmod go-w.*QUADRA_ENV_FILE"):
        load()
    monkeypatch.setitem(os.environ, "QUADRA_ENV_FILE", ".env")
    assert load().port == 6001


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_an_env_file_of_another_user_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("QUADRA_PORT=6001\n")
    os.chown(".env", 1001, 1001)
    with pytest.raises(Misconfigured, match=r"belongs to another user \(uid 1001\)"):
        load()


def test_names_that_do_nothing_here_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN_ID", "BETTER_AUTH_SECRET", "NEXT_PUBLIC_APP_URL", "QUADRA_BACKUP_KEEP_DAYLY"):
        monkeypatch.setitem(os.environ, name, "1")
    said = notes()
    assert len(said) == 4
    assert "QUADRA_BACKUP_KEEP_DAYLY is no setting; did you mean QUADRA_BACKUP_KEEP_DAILY?" in said
    assert "NEXT_PUBLIC_APP_URL does nothing here: QUADRA_PUBLIC_URL is what people type to come here." in said


@pytest.mark.parametrize("name", environment.ANSWERED)
def test_an_answer_names_a_setting_that_is_there(name: str) -> None:
    named = [word.strip("`") for word in environment.ANSWERED[name].split() if word.startswith("QUADRA_")]
    assert all(word.removeprefix("QUADRA_").lower() in Settings.model_fields for word in named)
