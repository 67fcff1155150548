"""The bridge from blocking callers to async code."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from airflow_provider_canfar.hooks._bridge import Bridge


@pytest.fixture(name="bridge", scope="module")
def _bridge() -> Bridge:
    return Bridge()


#: Gets a function to call in a signal handler, and the event after which to send the signal.
Interrupt = Callable[[Callable[[], object], threading.Event], None]


class Interrupted(BaseException):
    """Raised in a signal handler, as Airflow does for its timeouts."""


class Work:
    """A coroutine that runs until it is stopped, and records how it ended."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.was_cancelled = threading.Event()

    async def run(self) -> None:
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise


async def thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_a_coroutine_runs_to_its_end_for_a_caller_without_a_loop(bridge: Bridge) -> None:
    async def result() -> int:
        await asyncio.sleep(0)
        return 42

    assert bridge.run(result) == 42


def test_an_error_in_a_coroutine_is_raised_in_its_caller(bridge: Bridge) -> None:
    async def fail() -> None:
        raise KeyError("k3v9x2qa")

    with pytest.raises(KeyError, match="k3v9x2qa"):
        bridge.run(fail)


def test_all_calls_run_on_one_loop_in_its_own_thread(bridge: Bridge) -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert bridge.run(loop) is bridge.run(loop)
    assert bridge.run(thread_name) == "canfar-bridge"


def test_simultaneous_first_callers_share_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like two people who press Test in a fresh API server, which serves each in a thread."""
    bridge, make = Bridge(), asyncio.new_event_loop
    both, finished = threading.Barrier(2, timeout=10), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def make_when_both_are_there() -> asyncio.AbstractEventLoop:
        if both.wait() == 1:  # One of them is so slow that the other has its result by then.
            finished.wait(10)
        return make()

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def call() -> None:
        loops.append(bridge.run(loop, timeout=10))
        finished.set()

    monkeypatch.setattr(asyncio, "new_event_loop", make_when_both_are_there)
    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 2
    assert loops[0] is loops[1] is bridge.run(loop, timeout=10)


def test_callers_in_several_threads_get_their_own_results(bridge: Bridge) -> None:
    both = asyncio.Barrier(2)

    async def meet(number: int) -> int:
        await both.wait()
        return number

    results: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: bridge.run(lambda: meet(n))})) for n in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: 1, 2: 2}


async def test_a_blocking_call_inside_a_running_loop_fails_with_a_way_out(bridge: Bridge) -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1

    with pytest.raises(RuntimeError, match=r"inside a running event loop.*async with hook\.client\(\)"):
        bridge.run(call)  # type: ignore[arg-type]  # It must not even be called.
    assert calls == 0


async def test_a_blocking_call_works_in_a_thread_of_a_program_with_a_loop(bridge: Bridge) -> None:
    assert await asyncio.to_thread(bridge.run, thread_name) == "canfar-bridge"


def test_the_coroutine_is_cancelled_after_the_timeout(bridge: Bridge) -> None:
    work = Work()
    with pytest.raises(TimeoutError):
        bridge.run(work.run, timeout=0.05)
    assert work.was_cancelled.wait(10)


@pytest.fixture(name="interrupt")
def _interrupt() -> Iterator[Interrupt]:
    """Return a function that calls another in a signal handler while this thread waits for a coroutine."""
    before, threads = signal.getsignal(signal.SIGUSR1), []

    def interrupt(handle: Callable[[], object], begun: threading.Event) -> None:
        is_handled = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            # A signal that comes just before the wait is sent again.
            if frame is not None and frame.f_code.co_name == "wait" and not is_handled.is_set():
                is_handled.set()
                handle()

        def send() -> None:
            begun.wait()
            while not is_handled.wait(0.05):
                os.kill(os.getpid(), signal.SIGUSR1)

        signal.signal(signal.SIGUSR1, on_signal)
        threads.append(threading.Thread(target=send))
        threads[-1].start()

    yield interrupt
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGUSR1, before)


def test_interrupting_a_caller_cancels_its_coroutine(bridge: Bridge, interrupt: Interrupt) -> None:
    def time_out() -> None:
        raise Interrupted

    work = Work()
    interrupt(time_out, work.has_begun)
    with pytest.raises(Interrupted):
        bridge.run(work.run)
    assert work.was_cancelled.wait(10)


def test_a_signal_handler_can_call_while_its_thread_waits(bridge: Bridge, interrupt: Interrupt) -> None:
    """Airflow calls an operator's on_kill in such a handler; after it, the wait continues."""
    is_killed, begun, results = asyncio.Event(), threading.Event(), []

    async def kill() -> str:
        is_killed.set()
        return "killed"

    async def wait() -> str:
        begun.set()
        await is_killed.wait()
        return "waited"

    interrupt(lambda: results.append(bridge.run(kill)), begun)
    assert bridge.run(wait) == "waited"
    assert results == ["killed"]


FORKING = """
    import asyncio, os, sys
    from airflow_provider_canfar.hooks._bridge import BRIDGE

    async def result():
        await asyncio.sleep(0)
        return os.getpid()

    assert BRIDGE.run(result) == os.getpid()
    child = os.fork()
    if child == 0:
        # The loop's thread does not exist here; without a loop of its own the child would wait for ever.
        is_fine = BRIDGE.run(result, timeout=20) == BRIDGE.run(result, timeout=20) == os.getpid()
        os._exit(0 if is_fine else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # The child has not affected its parent's loop.
    assert BRIDGE.run(result, timeout=20) == os.getpid()
    sys.exit(status)
"""


def test_a_forked_child_has_its_own_loop_and_leaves_its_parents_alone() -> None:
    """Airflow's executors fork. It runs in its own process, as a fork of this one would copy the tests."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(FORKING)],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_thread_runs_before_the_first_call() -> None:
    threads = threading.active_count()
    Bridge()
    assert threading.active_count() == threads
