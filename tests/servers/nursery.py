"""Processes of Quadra that are forked from one which has made the imports: they cost three seconds of CPU for the web, as many
for the worker beside it, and ten times what the rest of a start costs.

Code, arguments, environment, signals and exit code are those of a real start. What is not: hashes of passwords are quick, the
memory is shared with the parent, modules are not taken apart at the end, the command line in `ps` is the parent's, and the worker
has a parent of its own between itself and the web. Tests about starts, memory or the family of processes ask for `cold=True`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, NoReturn

TOP = Path(__file__).resolve().parents[2]
METRICS = "PROMETHEUS_MULTIPROC_DIR"
PRELOADED = ("quadra.serve", "quadra.core.web.loop_eventlet", "tests.servers.quick_hashes")
MOST_BYTES = 1_000_000


class Forked:
    """What tests use of `subprocess.Popen`, for a process that is the nursery's child and not ours."""

    def __init__(self, pid: int):
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def ended(self, code: int) -> None:
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(["quadra"], timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """This end of the channel to a process in `attend`."""

    def __init__(self, channel: socket.socket, process: subprocess.Popen[bytes] | None = None):
        self._channel = channel
        self._process = process  # kept, or Python warns that nobody waits for it
        self._lock = threading.Lock()
        self._started: SimpleQueue[Forked | None] = SimpleQueue()
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def start(
        self,
        *words: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        log: Path | None = None,
        beside: bool = False,
        module: str = "quadra",
        umask: int | None = None,
        most_files: int | None = None,
    ) -> Forked:
        """`python -m <module> <words>`. Its output is added to `log`; without one it goes where the nursery's goes."""
        places = {"cwd": cwd and str(cwd), "log": log and str(log), "umask": umask, "most_files": most_files}
        order = {"module": module, "words": words, "env": dict(env), "beside": beside, **places}
        with self._lock:  # answers come in the order of the orders
            self._channel.send(json.dumps(order).encode())
            process = self._started.get(timeout=120)
        assert process is not None, "the nursery has ended"
        return process

    def close(self) -> None:
        self._channel.shutdown(socket.SHUT_RDWR)  # closing it leaves it open while a thread reads it

    def _listen(self) -> None:
        known: dict[int, Forked] = {}
        with contextlib.suppress(OSError):
            while message := self._channel.recv(MOST_BYTES):
                told = json.loads(message)
                if "code" in told:
                    known.pop(told["pid"]).ended(told["code"])
                else:
                    known[told["pid"]] = Forked(told["pid"])
                    self._started.put(known[told["pid"]])
        self._started.put(None)


@cache
def nursery() -> Nursery:
    """The one of this run, started by the first who asks. It ends when this process does, in whatever way."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.nursery", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd=TOP,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C is for the tests
        )
    return Nursery(ours, process)


def attend(channel: socket.socket) -> dict[str, Any]:
    """Fork a process for each order, and tell when one ended. Returns in each of them; here it ends with the other end."""

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError, OSError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                channel.send(json.dumps({"pid": ended[0], "code": code}).encode())

    signal.signal(signal.SIGCHLD, reap)
    while message := channel.recv(MOST_BYTES):
        assert threading.active_count() == 1, "a thread is not in the child"
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # first that it was started, then that it ended
        if not (pid := os.fork()):
            channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            return dict(json.loads(message))
        channel.send(json.dumps({"pid": pid}).encode())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os._exit(0)


def become(order: Mapping[str, Any]) -> None:
    """Be `python -m <module> <words>`, as if the interpreter had just been started for it."""
    os.setsid()
    if order["umask"] is not None:
        os.umask(order["umask"])
    if order["most_files"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (order["most_files"], order["most_files"]))
    if order["cwd"]:
        os.chdir(order["cwd"])
    if order["log"]:
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    words = list(order["words"])
    if order["module"] == "gunicorn":  # `quadra serve` makes itself the directory that these imports were made for
        os.environ.setdefault(METRICS, str(Path.cwd() / "metrics"))
    if order["beside"]:  # the parent to stay beside is the one between: it ends with the web
        words[words.index("--beside") + 1] = str(os.getppid())
    elif words[0] == "serve" and "--no-worker" not in words:
        _prepare_a_worker()
    renewal: Any = sys.modules["quadra.core.renewal"]
    renewal.GROWN_MB = 10_000  # each page of the parent that is touched counts as grown
    metrics: Any = sys.modules["quadra.core.observing.metrics"]
    metrics._process = os.environ.get("QUADRA_METRICS_PROCESS") or str(os.getpid())  # chosen while it is imported
    sys.argv = [order["module"], *words]
    sys.path[0] = str(Path.cwd())
    try:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        _end(ended.code)


def _end(code: object) -> NoReturn:
    """End as the interpreter does, with threads, what is registered for the end, and output; but without taking all modules
    apart: that touches every page which is shared with the parent, for half a second of CPU in each process.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _prepare_a_worker() -> None:
    """Fork, while there is one thread only, what will fork the worker beside this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not (pid := os.fork()):
        ours.close()
        become(attend(theirs))
    theirs.close()
    workers = Nursery(ours)

    def popen(command: list[str], *, env: Mapping[str, str], **_: object) -> Forked:
        return workers.start(*command[3:], env=env, beside=True)

    companion: Any = sys.modules["quadra.companion"]
    companion.subprocess = SimpleNamespace(
        Popen=popen, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=subprocess.DEVNULL
    )

    @atexit.register
    def leave() -> None:
        workers.close()
        os.waitpid(pid, 0)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="quadra-test-") as directory:
        os.environ[METRICS] = directory  # `quadra serve` has one before its imports; a forked process takes its own
        for name in PRELOADED:
            importlib.import_module(name)
    gc.freeze()
    become(attend(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
