"""Make the environment in .venv ready: `install.py run`, `install.py lint` or `install.py test`.

Needs nothing but Python's standard library, and is readable by old Pythons too: those get a sentence, not a traceback.
What is done already is not done again: each step leaves the hash of what it was made from in .venv/installed.json.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Quadra needs Python 3.11 or newer; %s is %d.%d.\n"
        "Name a newer one: make run PYTHON=python3.12" % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
VENV = TOP / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "installed.json"


class Failed(Exception):
    """A step did not work; the text says which and what to do."""


def main(what: str) -> None:
    with _one_at_a_time():
        if not _venv_is_sound():
            _make_venv()
        if what == "run":
            _install_requirements("requirements.txt", "Installing Python packages (the first time takes a minute)")
        else:
            _install_requirements("requirements-dev.txt", "Installing Python packages for the tests and linters")
        _install_quadra()
        if what == "lint":
            return
        _run([VENV_PYTHON, TOP / "scripts" / "fetch_frontend.py"])
        _run([VENV_PYTHON, TOP / "scripts" / "minify_tracker.py"])
        if what == "test":
            _run(["bash", TOP / "scripts" / "install_test_servers.sh"])


@contextmanager
def _one_at_a_time():
    """`make run` and `make test` in two terminals must not fill the same environment at once."""
    with (TOP / ".install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Waiting for another `make` that is installing")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _venv_is_sound() -> bool:
    """False too where the environment was made in another place (its scripts name that place) or its Python is gone."""
    try:
        text = (VENV / "bin" / "pip").read_text(errors="replace")[:600]
        made_at = re.search(r"(/.+?)/bin/python", text)
        if not made_at or Path(made_at[1]).resolve() != VENV:
            return False
        probe = [VENV_PYTHON, "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
        return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _make_venv() -> None:
    _say("Making a Python environment in .venv" + (" anew: the old one does not work here" if VENV.exists() else ""))
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if made.returncode == 0:
        return
    # Debian cuts ensurepip out of Python; a pip of the system can still fill the environment.
    shutil.rmtree(VENV, ignore_errors=True)
    bare = [sys.executable, "-m", "venv", "--without-pip", VENV]
    fill = [sys.executable, "-m", "pip", "--python", VENV_PYTHON, "install", "--quiet", "--require-hashes", "-r"]
    fill.append(TOP / "requirements-pip.txt")
    for command in (bare, fill):
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            shutil.rmtree(VENV, ignore_errors=True)
            raise Failed(
                made.stdout.strip()
                + "\n\nPython cannot make a virtual environment here. On Debian or Ubuntu: apt-get install python3-venv"
            )


def _install_requirements(name: str, sentence: str) -> None:
    wanted = _hash("requirements.txt", name)
    if _stamps().get(name) == wanted:
        return
    _say(sentence)
    _pip("install", "--require-hashes", "-r", TOP / name)
    _stamp(name, wanted)
    # the development list contains the runtime list
    _stamp("requirements.txt", _hash("requirements.txt", "requirements.txt"))


def _install_quadra() -> None:
    """Editable, so that `.venv/bin/quadra` runs what lies in this folder."""
    wanted = _hash("pyproject.toml")
    if _stamps().get("quadra") == wanted and (VENV / "bin" / "quadra").exists():
        return
    # without isolation: pip would fetch a setuptools whose hash nobody checked
    os.environ["PYTHONWARNINGS"] = "ignore"  # setuptools warns of every editable installation
    _pip("install", "--no-deps", "--no-build-isolation", "--editable", TOP)
    _stamp("quadra", wanted)


def _pip(*arguments) -> None:
    command = [VENV_PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    _run(command, "pip could not install what Quadra needs; its own words are above. Is the package index reachable?")


def _run(command, failure: str = "") -> None:
    """`failure` stays empty where the command says itself what went wrong."""
    if subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL).returncode != 0:
        raise Failed(failure)


def _hash(*names: str) -> str:
    return hashlib.sha256(b"\0".join((TOP / name).read_bytes() for name in names)).hexdigest()


def _stamps() -> dict:
    try:
        return json.loads(STAMPS.read_text())
    except (OSError, ValueError):
        return {}


def _stamp(step: str, value: str) -> None:
    content = {**_stamps(), step: value}
    STAMPS.with_suffix(".new").write_text(json.dumps(content, indent=1))
    STAMPS.with_suffix(".new").replace(STAMPS)


def _say(sentence: str) -> None:
    print(f"{sentence} ...", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("run", "lint", "test"):
        sys.exit("usage: install.py run | lint | test")
    os.environ.pop("PYTHONHOME", None)
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["PIP_NO_CACHE_DIR"] = "1"  # pip would warn at every call that it cannot keep what it fetched
    try:
        main(sys.argv[1])
    except Failed as failed:
        sys.exit(str(failed) or 1)
    except KeyboardInterrupt:
        sys.exit(130)
