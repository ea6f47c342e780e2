"""The scripts that cron and people start: with a fake crontab, that keeps its lines in a file, and with wrong words."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
OTHERS = "# somebody's own\n0 1 * * * echo hello\n"
FAKE_CRONTAB = """#!/bin/sh
case $1 in
-l) [ -e "$FAKE_CRONTAB" ] && cat "$FAKE_CRONTAB" ;;
-) cat > "$FAKE_CRONTAB.new" && mv "$FAKE_CRONTAB.new" "$FAKE_CRONTAB" ;;
esac
"""


class Cron:
    """A machine with a crontab."""

    def __init__(self, tmp_path: Path):
        self.home, self.table = tmp_path / "a home", tmp_path / "table"
        self.home.mkdir()
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "crontab").write_text(FAKE_CRONTAB)
        (tmp_path / "bin" / "crontab").chmod(0o755)
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("QUADRA_", "DATABASE_URL"))}
        self.env = ours | {"FAKE_CRONTAB": str(self.table), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", SCRIPTS / "setup_automated_backups.sh", *words]
        return subprocess.run(command, env=self.env | more, cwd=self.home, capture_output=True, text=True)


@pytest.fixture
def cron(tmp_path: Path) -> Cron:
    return Cron(tmp_path)


def test_backups_are_installed_by_no_word_and_removed_by_one_and_other_lines_stay_in_a_fake_crontab(cron: Cron) -> None:
    cron.table.write_text(OTHERS)
    for _ in range(2):
        assert cron.run().returncode == 0
    table = cron.table.read_text()
    assert table.startswith(OTHERS)
    assert [table.count(name) for name in ("backup_models.sh", "backup_database.sh", "full_backup.sh")] == [1, 1, 1]
    assert cron.run("show").stdout == table.removeprefix(OTHERS)
    assert cron.run("remove").returncode == 0
    assert cron.table.read_text() == OTHERS
    assert "has no backups" in cron.run("show").stdout


def test_a_line_of_the_fake_crontab_does_its_work_where_cron_starts_it(cron: Cron) -> None:
    settings = cron.home / "quadra.env"
    settings.write_text(f"QUADRA_DATA_DIR='{cron.home}/100% data'\nQUADRA_ENV_FILE=/dev/null\n")
    assert cron.run(LOGS="logs/backup.log", QUADRA_ENV_FILE="quadra.env").returncode == 0
    (line,) = [line for line in cron.table.read_text().splitlines() if "backup prune" in line]
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    subprocess.run(["/bin/sh", "-c", command], env={"PATH": "/usr/bin:/bin"}, cwd="/", check=True)
    assert "Removed 0 backups" in (cron.home / "logs" / "backup.log").read_text()
    assert (cron.home / "100% data" / "backups").is_dir()


def test_settings_that_cannot_be_read_leave_a_fake_crontab_alone(cron: Cron) -> None:
    done = cron.run(QUADRA_ENV_FILE="nowhere.env")
    assert (done.returncode, "nowhere.env" in done.stderr, cron.table.exists()) == (1, True, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["setup_automated_backups.sh", "instal"], "usage: "),
        (["configure_volumes.sh", "--fix"], "usage: "),
        (["full_backup.sh", "--tar"], "there is no directory ''"),
        (["full_backup.sh", "--tar", "/nowhere"], "there is no directory '/nowhere'"),
        (["restore_database.sh", "--nonsense"], "No such option '--nonsense'"),
        (["backup_scheduler.py", "instal"], "'show', 'install', 'remove'"),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_taken(words: list[str], said: str, tmp_path: Path) -> None:
    env = os.environ | {"QUADRA_DATA_DIR": str(tmp_path)}
    done = subprocess.run([SCRIPTS / words[0], *words[1:]], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_must_persist_is_named_and_what_is_missing_is_said(tmp_path: Path) -> None:
    env = os.environ | {"QUADRA_DATA_DIR": str(tmp_path / "data"), "QUADRA_LOGS_DIR": str(tmp_path)}
    done = subprocess.run([SCRIPTS / "configure_volumes.sh"], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.count("missing ") == 2
    assert f"  {tmp_path}  (log files)" in done.stdout


def test_a_script_works_with_a_quadra_that_is_only_on_the_path(tmp_path: Path) -> None:
    """As in the image, where there is no .venv."""
    for name in ("backup_database.sh", "backup_models.sh", "restore_database.sh", "full_backup.sh"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        shutil.copy(SCRIPTS / name, tmp_path / "scripts" / name)
        (tmp_path / "quadra").write_text('#!/bin/sh\necho "quadra $*"\n')
        (tmp_path / "quadra").chmod(0o755)
        env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run([tmp_path / "scripts" / name], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(("quadra backup take --kind ", "quadra restore --latest"))


def test_examples_for_supervisors_start_what_is_there() -> None:
    top = SCRIPTS.parent
    words = (top / "deploy" / "Procfile").read_text()
    assert {line.partition(":")[0] for line in words.splitlines() if not line.startswith("#")} == {
        "release",
        "web",
        "worker",
    }
    if shutil.which("node") is None:
        pytest.skip("Node is not available here")
    code = "console.log(JSON.stringify(require(process.argv[1]).apps))"
    example = top / "deploy" / "pm2" / "ecosystem.config.cjs"
    done = subprocess.run(["node", "-e", code, example], capture_output=True, text=True, check=True)
    apps = {app["name"]: app for app in json.loads(done.stdout)}
    assert {name: (app["instances"], app["cwd"]) for name, app in apps.items()} == {
        "quadra-web": (1, str(top)),
        "quadra-worker": (1, str(top)),
    }
    for app in apps.values():
        assert os.access(app["script"], os.X_OK)
        assert app["kill_timeout"] > 1000 * runpy.run_path(str(top / "deploy" / "gunicorn.conf.py"))["graceful_timeout"]
