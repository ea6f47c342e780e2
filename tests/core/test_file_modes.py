"""Whatever umask Quadra is started with, nobody else on the machine may read its files; old ones are named and mended."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from quadra.core import file_modes
from quadra.core.settings import Settings, load
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess


class Careless(QuadraProcess):
    """A Quadra whose supervisor lets everybody read and write what is made."""

    name = "Quadra with umask 0"
    umask = 0


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}


def wide(root: Path) -> list[str]:
    return sorted(name for name, mode in modes(root).items() if mode & 0o077)


def test_what_quadra_makes_is_its_own_and_what_was_open_is_named_and_mended(keeper: Keeper, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    server = Careless(keeper, {"QUADRA_LOGS_DIR": str(logs)})
    data = server.directory / "data"
    try:
        server.run("demo", "--days", "2", "--rate", "50", "--seconds", "0.1")
        server.run("warehouse", "compact")
        server.run("backup", "take")
        made = modes(data)
        for kind in ("quadra.db", "quadra.db-wal", "quadra.db-shm"):
            assert made[kind] == 0o600
        for end in (".parquet", "manifest.json", ".lock"):
            assert any(name.endswith(end) for name in made), f"nothing was made that ends on {end}: {sorted(made)}"
        assert wide(data) == []
        # outside of DATA_DIR logs are for a program that ships them
        assert modes(logs) | {"all-web.log": 0o640, "errors-web.log": 0o640, ".": 0o750} == modes(logs)

        for path in (data, *data.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        check = files_check(server)
        assert check["status"] == "degraded"
        assert str(data) in check["message"]
        assert "start Quadra again" in check["message"]
        server.restart()
        assert wide(data) == []
        assert files_check(server)["status"] == "healthy"
    finally:
        server.close()


def files_check(server: QuadraProcess) -> dict[str, str]:
    done = quadra_command("doctor", "--json", env=server._environment(), cwd=server.directory)
    found: dict[str, str] = json.loads(done.stdout)["checks"]["files"]
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir(mode=0o755)
    return load(data_dir=tmp_path / "data")


def test_the_owner_keeps_what_he_may_do(settings: Settings) -> None:
    key = settings.data_dir / "key"
    key.touch()
    key.chmod(0o444)
    file_modes.mend(settings)
    assert stat.S_IMODE(key.stat().st_mode) == 0o400


def test_a_link_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "of_others").touch(mode=0o644)
    (tmp_path / "theirs").mkdir(mode=0o755)
    (settings.data_dir / "file").symlink_to(tmp_path / "of_others")
    (settings.data_dir / "directory").symlink_to(tmp_path / "theirs")
    file_modes.mend(settings)
    assert stat.S_IMODE((tmp_path / "of_others").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o755


def test_a_directory_of_the_whole_machine_is_left_as_it_is(settings: Settings) -> None:
    settings.data_dir.chmod(0o1777)
    (settings.data_dir / "of_others").touch(mode=0o644)
    (settings.data_dir / "quadra.db").touch(mode=0o644)
    file_modes.mend(settings)
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o1777
    assert stat.S_IMODE((settings.data_dir / "of_others").stat().st_mode) == 0o644
    assert stat.S_IMODE((settings.data_dir / "quadra.db").stat().st_mode) == 0o600
    assert not any(file_modes.find_open(load(data_dir="/", database_url="postgresql://x/y")))


def test_backups_that_lie_elsewhere_are_named_and_left_as_they_are(settings: Settings, tmp_path: Path) -> None:
    settings.data_dir.chmod(0o700)
    (tmp_path / "backups").mkdir(mode=0o755)
    found = settings.model_copy(update={"backup_secondary_dir": tmp_path / "backups"})
    file_modes.mend(found)
    assert file_modes.find_open(found) == [tmp_path / "backups"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_what_another_user_made_is_named(settings: Settings) -> None:
    (settings.data_dir / "mine").touch()
    assert file_modes.find_foreign(settings) == []
    os.chown(settings.data_dir / "mine", 12345, 12345)
    assert file_modes.find_foreign(settings) == [settings.data_dir / "mine"]
