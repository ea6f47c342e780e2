"""The list of commands: each line leads to a command, and what is not asked for is not imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from quadra.cli import COMMANDS, quadra
from tests.servers import commands
from tests.waiting import eventually

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_line_leads_to_the_command_of_that_name(name: str) -> None:
    command = quadra.get_command(click.Context(quadra), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.get_short_help_str()


@pytest.mark.parametrize(
    "words", [["restore"], ["validate", "nothing"], ["project", "create", "x", "--timezone", "Mars/Base"], ["nonsense"]]
)
def test_wrong_usage_exits_with_2(words: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "QUADRA_DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    commands.quadra_command("init", env=env)
    done = commands.quadra_command(*words, env=env)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", ["recovery.py", "validate_deployment.py", "promote_replica.py", "recover_pitr.py"])
def test_a_script_works_with_a_python_that_has_none_of_our_packages(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-S", SCRIPTS / script, "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("Usage: quadra ")


def test_the_version_is_told_without_importing_a_room() -> None:
    code = "import sys, quadra.cli; print([m for m in sys.modules if m.startswith(('quadra.', 'flask', 'sqlalchemy'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "quadra.cli" in done.stdout
    assert not {"flask", "sqlalchemy", "quadra.core.settings"} & set(
        done.stdout.strip("[]\n").replace("'", "").split(", ")
    )


def test_a_command_needs_no_standard_error() -> None:
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m quadra --version 2>&-"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "quadra,")


def test_a_crash_inside_a_library_says_where(quadra_process) -> None:
    process = quadra_process(command=("serve", "--no-worker"))

    os.kill(process.pid, signal.SIGSEGV)

    eventually(lambda: not process.running)
    assert "Fatal Python error: Segmentation fault" in process.log()
    assert "most recent call first" in process.log()
    with pytest.raises(AssertionError, match=r"(?s)Quadra crashed \(SIGSEGV\)\n.*Segmentation fault"):
        process.close()


def test_a_worker_imports_nothing_of_the_web() -> None:
    """Whatever is found at run time included, which the import contract cannot see."""
    libraries = "engineio eventlet flask flask_limiter flask_login flask_socketio gevent gunicorn socketio werkzeug"
    program = f"import quadra.worker, sys; print(sorted(set({libraries.split()}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"
