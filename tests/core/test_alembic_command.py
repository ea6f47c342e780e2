"""`alembic` by hand, as people know it, from a checkout of which only the requirements are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import sqlalchemy as sa

from quadra.core import migrate
from quadra.core.database import Database
from tests.servers import commands


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Where `alembic revision` may write."""
    shutil.copytree(migrate.ROOT / "alembic", tmp_path / "alembic", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(migrate.ROOT / "alembic.ini", tmp_path)
    (tmp_path / "quadra").symlink_to(migrate.ROOT / "quadra")
    return tmp_path


def alembic(checkout: Path, url: str, *words: str) -> str:
    env = {**os.environ, "DATABASE_URL": url, "QUADRA_DATA_DIR": str(checkout / "data")}
    done = commands.run_module("alembic", *words, env=env, cwd=checkout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_that_people_know_works(checkout: Path, any_database_url: str) -> None:
    # without a connection, only the address says that it is a MariaDB
    script = alembic(checkout, any_database_url.replace("mysql+", "mariadb+"), "upgrade", "head", "--sql")
    run_script(any_database_url, script)
    assert alembic(checkout, any_database_url, "current") == f"{migrate.head()} (head)\n"
    alembic(checkout, any_database_url, "downgrade", "-1")
    assert "(head)" not in alembic(checkout, any_database_url, "current")
    alembic(checkout, any_database_url, "upgrade", "head")
    alembic(checkout, any_database_url, "revision", "--autogenerate", "-m", "nothing", "--rev-id", "9999")
    made = (checkout / "alembic" / "versions" / "9999_nothing.py").read_text()
    assert "op." not in made, "the script or the migrations make another schema than the tables say"
    assert f"{migrate.head()} -> 9999 (head), nothing" in alembic(checkout, any_database_url, "history")


def run_script(url: str, script: str) -> None:
    engine = sa.create_engine(Database(url).url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in script.split(";\n\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()


def test_the_package_need_not_be_installed_and_the_data_directory_is_made(checkout: Path) -> None:
    done = subprocess.run(
        # -S: what is installed as editable is not found
        [sys.executable, "-S", "-m", "alembic", "upgrade", "0001"],
        cwd=checkout,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "QUADRA_DATA_DIR": str(checkout / "new"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (checkout / "new" / "quadra.db").exists()


@pytest.mark.parametrize(("way", "said"), [("upgrade 0015:0016", "CREATE"), ("downgrade 0016:0015", "DROP")])
def test_a_script_for_sqlite_covers_the_steps_that_were_asked_for_alone(checkout: Path, way: str, said: str) -> None:
    script = alembic(checkout, f"sqlite:///{checkout}/x.db", *way.split(), "--sql")
    assert said in script
    assert script.count("UPDATE alembic_version") == 1
    assert not (checkout / "x.db").exists()
