"""The bridge between the loop and native threads, on each greenlet library in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

modes = pytest.mark.parametrize("mode", ["eventlet", "gevent"])


def run(mode: str, program: str) -> str:
    start = (
        f"import threading, time\nfrom quadra.core.web.loop import Loop, Threads\nloop = Loop({mode!r})\nloop.start()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", start + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@modes
def test_a_call_runs_on_another_thread_and_its_result_comes_back(mode: str) -> None:
    assert run(
        mode,
        """
        threads = Threads(loop, 2, "work")
        name = threads.run(lambda a, *, b: (threading.current_thread().name, a + b), 1, b=2)
        print(name, threading.current_thread().name)
        """,
    ) == ("('work-0', 3) MainThread")


@modes
def test_an_error_crosses_as_it_is_and_the_thread_goes_on(mode: str) -> None:
    assert run(
        mode,
        """
        threads = Threads(loop, 1, "work")
        for error in (ValueError("a"), KeyboardInterrupt("b"), SystemExit(3)):
            def fail(error=error):
                raise error
            try:
                threads.run(fail)
            except BaseException as caught:
                print(type(caught).__name__, caught is error, end=" ")
        print(threads.run(lambda: "alive"))
        """,
    ) == ("ValueError True KeyboardInterrupt True SystemExit True alive")


@modes
def test_many_greenlets_wait_at_once_and_each_gets_its_own_result(mode: str) -> None:
    assert run(
        mode,
        """
        threads = Threads(loop, 6, "work")
        found = {}
        def ask(n):
            found[n] = threads.run(lambda: (time.sleep(0.001), n)[1])
        for n in range(2000):
            loop.spawn(ask, n)
        until = time.monotonic() + 90
        while len(found) < 2000 and time.monotonic() < until:
            loop.sleep(0.01)
        print(len(found), all(n == result for n, result in found.items()))
        """,
    ) == ("2000 True")


@modes
def test_the_loop_goes_on_while_a_thread_works(mode: str) -> None:
    assert run(
        mode,
        """
        threads = Threads(loop, 1, "work")
        ticks = []
        def tick():
            while True:
                ticks.append(1)
                loop.sleep(0.01)
        loop.spawn(tick)
        threads.run(lambda: [time.sleep(0.01) for _ in range(6000) if len(ticks) <= 10])
        print(len(ticks) > 10)
        """,
    ) == ("True")


@modes
def test_calls_from_many_threads_all_reach_the_loop_in_order_for_each(mode: str) -> None:
    assert run(
        mode,
        """
        heard = []
        def shout(name):
            for n in range(5000):
                loop.call_from_thread(lambda n=n: heard.append((name, n)))
        threads = [threading.Thread(target=shout, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 90
        while len(heard) < 20000 and time.monotonic() < until:
            loop.sleep(0.01)
        print(len(heard), all([n for name, n in heard if name == one] == list(range(5000)) for one in range(4)))
        """,
    ) == ("20000 True")


@modes
def test_a_waiter_is_set_once_and_waiting_for_it_has_an_end(mode: str) -> None:
    assert run(
        mode,
        """
        waiter = loop.waiter()
        began = time.monotonic()
        print(bool(waiter.wait(0.05)), 0.04 < time.monotonic() - began < 60, end=" ")
        loop.spawn(waiter.set)
        print(bool(waiter.wait(60)), bool(waiter.wait(0)), end=" ")
        waiter.set()
        print(bool(waiter.wait(None)))
        """,
    ) == ("False True True True True")


@modes
def test_stopped_threads_finish_what_they_were_given(mode: str) -> None:
    assert run(
        mode,
        """
        threads = Threads(loop, 1, "work")
        done = []
        for n in range(5):
            threads.submit(lambda n=n: n, lambda result, error: done.append(result))
        threads.stop()
        until = time.monotonic() + 90
        while len(done) < 5 and time.monotonic() < until:
            loop.sleep(0.01)
        print(done, [thread.name for thread in threading.enumerate() if thread.name.startswith("work")])
        """,
    ).startswith("[0, 1, 2, 3, 4]")


@modes
def test_a_loop_that_is_held_is_measured(mode: str) -> None:
    """Both kinds: computing on the loop, and a pause in which this process computes nothing."""
    assert (
        run(
            mode,
            """
        from quadra.core.web import loop_lag
        def seconds(of):
            (family,) = of.collect()
            return next(sample.value for sample in family.samples if sample.name.endswith("_sum"))
        loop_lag.watch(loop)
        loop.sleep(0.2)
        calm = seconds(loop_lag.event_loop_held_seconds)
        until = time.process_time() + 0.5
        while time.process_time() < until:
            pass
        loop.sleep(0.1)
        held = seconds(loop_lag.event_loop_held_seconds) - calm
        before = seconds(loop_lag.event_loop_lag_seconds)
        time.sleep(0.5)
        loop.sleep(0.1)
        late = seconds(loop_lag.event_loop_lag_seconds) - before
        paused = seconds(loop_lag.event_loop_held_seconds) - held - calm
        print(held > 0.4, late > 0.4, paused < late / 2)
        """,
        )
        == "True True True"
    )
