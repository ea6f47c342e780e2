"""Commands in a process of their own, `quadra` as people run it above all. The imports cost more than most of what they then
do, so they are forked from a server process that has made them once.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["quadra.worker", "quadra.rollout.commands", "tests.servers.quick_hashes"])


def quadra_command(
    *words: str, env: Mapping[str, str], cwd: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """`quadra <words>`; however it ends."""
    assert words[0] != "serve", "what that imports depends on its environment; QuadraProcess starts it"
    return run_module("quadra", *words, env=env, cwd=cwd, timeout=timeout)


def run_module(
    module: str, *arguments: str, env: Mapping[str, str], cwd: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """`python -m <module> <arguments>` in this environment and no other, with nothing on its standard input."""
    with tempfile.TemporaryDirectory(prefix="quadra-test-") as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        process = start_module(module, *arguments, env=env, cwd=cwd, out=out, err=err)
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([module, *arguments], timeout, out.read_bytes(), err.read_bytes())
        done = subprocess.CompletedProcess([module, *arguments], process.exitcode, out.read_text(), err.read_text())
        process.close()
        return done


def start_module(
    module: str, *arguments: str, env: Mapping[str, str], cwd: Path | None = None, out: Path, err: Path
) -> ForkServerProcess:
    """The same, not waited for; its output is added to these files."""
    given = (module, arguments, dict(env), str(cwd or Path.cwd()), (os.devnull, str(out), str(err)))
    process = _forks.Process(target=_become, args=given)
    process.start()
    return process


def _become(module: str, arguments: tuple[str, ...], env: dict[str, str], cwd: str, streams: tuple[str, ...]) -> None:
    os.setsid()  # Ctrl-C is for the tests
    os.chdir(cwd)
    for descriptor, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), descriptor)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
