"""Ray as the engine of a cluster: one task a slice, and one actor, the desk, that all tasks speak with.

A task gives its results to the desk about once a second and hears the orders there, and the driver collects them;
this works through Ray's client (``ray://``) as well, which knows no streaming tasks. What a task could not give to the
desk, it returns at its end, so that a lost desk loses nothing that a task still has.

Settings and credentials reach the workers by a variable of the job's runtime environment, never as the arguments of
a task. Every call of Ray's blocks, so that all of them are made in a thread.
"""

from __future__ import annotations

import base64
import logging
import math
import os
import pickle
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from trio_mirror.distributed.dispatcher import Ended, Lost, Orders, Reported
from trio_mirror.distributed.job import Job
from trio_mirror.distributed.ray_worker import JOB_VARIABLE
from trio_mirror.distributed.slices import NamedSlice
from trio_mirror.errors import ClusterError, SettingsError
from trio_mirror.pipeline.threads import WorkerThreads

_INSTALL = "pip install 'trio-mirror[cluster]'"
_TOKENS = "a cluster with token authentication needs RAY_AUTH_MODE=token and its token in RAY_AUTH_TOKEN"
_REACHING, _STARTING, _CLOSING = 30.0, 120.0, 15.0
# Seconds between two looks at what the cluster has.
_COUNTING = 1.0
# Seconds that one look at the tasks takes at most, for which a cancelled run may have to wait.
_LOOK = 0.2
# Seconds in which the desk must answer, and for which it may be away: Ray starts it anew if its node is lost.
_ANSWER, _AWAY = 5.0, 60.0
_changing = threading.Lock()  # held while Ray comes up or goes, of which there is one in a process


@asynccontextmanager
async def open_ray(address: str, job: Job) -> AsyncIterator[RayEngine]:
    """Connects with a cluster, or starts Ray on this machine; leaving the block ends all its tasks.

    The address is ``ray://HOST:PORT``, ``HOST:PORT``, ``auto``, or ``local``.

    Raises:
        SettingsError: Ray is not installed, or this process has it in use.
        ClusterError: the cluster cannot be reached within 30 s, or Ray does not start here within two minutes.
    """
    # Read by Ray when it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: F401 (whether it is there)
    except ImportError as error:
        raise SettingsError(f"--cluster: Ray is not installed; {_INSTALL}", field="cluster") from error
    # What Ray starts on this machine is killed by Linux when the thread that started it ends (prctl(2),
    # PR_SET_PDEATHSIG), and a thread that Trio lends for one call ends when it has been idle for some seconds.
    lasting, engine, given_up = WorkerThreads(1, _STARTING), RayEngine(), threading.Event()
    async with lasting.working():
        try:
            await _reach(address, partial(_connect, address, job, given_up), lasting)
        except BaseException as error:
            given_up.set()
            if isinstance(error, trio.Cancelled):
                # Were this process to end while Ray comes up, some of what that has started would never end.
                with trio.move_on_after(_CLOSING, shield=True):
                    await trio.to_thread.run_sync(_wait_for_change, abandon_on_cancel=True)
            raise
        try:
            await trio.to_thread.run_sync(engine.open)
            yield engine
        finally:
            # Bounded, since a cluster that went away answers no farewell.
            with trio.move_on_after(_CLOSING, shield=True):
                await lasting.run(engine.close)


async def _reach(address: str, connect: Callable[[], None], lasting: WorkerThreads) -> None:
    hint, seconds = "", _STARTING if address == "local" else _REACHING
    try:
        with trio.fail_after(seconds):
            if ":" in address:
                # Ray itself tries for minutes, and then ends the process.
                host, _, port = address.removeprefix("ray://").rpartition(":")
                async with await trio.open_tcp_stream(host.strip("[]"), int(port)):
                    # Whom it gives no access, it may leave without an answer.
                    hint = f"; {_TOKENS}"
            await lasting.run(connect)
    except trio.TooSlowError as error:
        raise ClusterError(f"--cluster: {address} cannot be reached within {seconds:g} s{hint}") from error
    except OSError as error:
        raise ClusterError(f"--cluster: {address} cannot be reached: {error}") from error


def _connect(address: str, job: Job, given_up: threading.Event) -> None:
    import ray

    packed = base64.b64encode(pickle.dumps(job)).decode("ascii")
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.CRITICAL,
        "runtime_env": {
            # The workers run the code of the driver; what it imports is to be installed there.
            "py_modules": [str(Path(__file__).parents[1])],
            "env_vars": {JOB_VARIABLE: packed},
        },
    }
    if address == "local":
        _give_token()
        options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    # Ray prints warnings of lost nodes to stdout, which is for results; those say what was lost.
    ray._private.worker._worker_logs_enabled = False  # noqa: SLF001
    used = SettingsError("--cluster: this process uses Ray already; run trio-mirror in another", field="cluster")
    # Held, too, by a run that was given up while its Ray was coming up, until that has gone.
    if not _changing.acquire(blocking=False):
        raise used
    try:
        if ray.is_initialized():
            raise used
        if given_up.is_set():
            return
        try:
            _init(address, options)
        except ClusterError:
            if address != "local" or given_up.is_set():
                raise
            # Ray gives a node that it starts here 30 s, which on a busy machine may be too few.
            ray.shutdown()
            _init(address, options)
        if given_up.is_set():
            # A driver whose cluster goes away is ended by Ray, and this one's would go away with this thread.
            ray.shutdown()
    finally:
        _changing.release()


def _wait_for_change() -> None:
    with _changing:
        pass


def _init(address: str, options: dict[str, Any]) -> None:
    import ray

    try:
        ray.init(address, **options)
    except Exception as error:  # Ray raises bare ones, too
        first_line = str(error).strip().partition("\n")[0].partition(". ")[0]
        # Without the mode, Ray does not say that it is a token which lacks.
        tokens = "" if address == "local" else f"; {_TOKENS}"
        raise ClusterError(f"--cluster: {address} cannot be used: {first_line}{tokens}") from error


def _give_token() -> None:
    """Gives what Ray starts here a token of its own, unless there is one.

    Ray would write one to ``~/.ray/auth_token``, by which a later ``ray start`` asks for tokens, too.
    """
    if "RAY_AUTH_TOKEN_PATH" not in os.environ and not (Path.home() / ".ray/auth_token").exists():
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


class RayEngine:
    """The workers of the cluster that this process is connected with; each of its cores is one."""

    def __init__(self) -> None:
        self.workers = 0
        self._tasks: dict[Any, int] = {}
        self._collecting: Any = None
        self._taken: tuple[bytes, int] | None = None
        self._counted_at = trio.current_time()
        self._silent_since = math.inf

    def open(self) -> None:
        """Sets up the desk, and counts the workers."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        desk = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(_desk_class())
        self._desk = desk.remote()
        # By itself Ray would run a lost task again from its start; we hand out again only what was not reported.
        self._mirror = ray.remote(num_cpus=1, max_retries=0)(_slice_task())
        self._count()

    def close(self) -> None:
        """Ends all tasks at once, and the connection."""
        import ray

        for task in self._tasks:
            ray.cancel(task, force=True)
        with _changing:
            ray.shutdown()

    async def start(self, attempt: int, work: NamedSlice) -> None:
        """Hands out what is left of a slice, to be worked on when a worker is free."""
        # Left to itself where the cluster hangs: the run is about to end, and the task ends with the connection.
        await trio.to_thread.run_sync(self._start, attempt, dict(work.todo), abandon_on_cancel=True)

    async def news(self, orders: Orders) -> list[Reported | Ended | Lost]:
        """Passes on the orders, and gives what happened since the last call.

        Raises:
            ClusterError: the cluster cannot be reached any more.
        """
        now = trio.current_time()
        if now - self._counted_at > _COUNTING:
            self._counted_at = now
            await trio.to_thread.run_sync(self._count)
        events: list[Reported | Ended | Lost] = []
        ended = await trio.to_thread.run_sync(self._look)
        # After the look at the tasks, since what one reported comes before its end.
        reports = await trio.to_thread.run_sync(self._collect, orders)
        if reports is not None:
            self._silent_since = math.inf
            events += [Reported(attempt, results) for attempt, results in reports]
        else:
            self._silent_since = min(self._silent_since, now)
            if trio.current_time() - self._silent_since > _AWAY:
                raise ClusterError(f"--cluster: it has not answered for {_AWAY:g} s")
        return events + ended

    def _start(self, attempt: int, todo: Any) -> None:
        self._tasks[self._mirror.remote(self._desk, attempt, todo)] = attempt

    def _look(self) -> list[Reported | Ended | Lost]:
        """What tasks have come to their end."""
        import ray

        # More may be started meanwhile, in another thread.
        tasks = list(self._tasks)
        if not tasks:
            time.sleep(_LOOK)
            return []
        ray.wait(tasks, num_returns=1, timeout=_LOOK)
        ready, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        events: list[Reported | Ended | Lost] = []
        for task in ready:
            events += _ending(task, self._tasks.pop(task))
        return events

    def _collect(self, orders: Orders) -> list[tuple[int, Any]] | None:
        """What was given to the desk; None if it does not answer."""
        import ray

        if self._collecting is None:
            self._collecting = self._desk.collect.remote((orders.rate, orders.draining), self._taken)
        try:
            given: list[tuple[int, int, Any]]
            self._taken, given = ray.get(self._collecting, timeout=_ANSWER)
        except ray.exceptions.GetTimeoutError:
            # Asked for again: results that come late are results.
            return None
        except (ray.exceptions.RayError, ConnectionError):
            self._collecting = None
            return None
        self._collecting = None
        return [(attempt, results) for attempt, _, results in given]

    def _count(self) -> None:
        import ray

        self.workers = int(ray.cluster_resources().get("CPU", 0))


def _ending(task: Any, attempt: int) -> list[Reported | Ended | Lost]:
    import ray

    try:
        unreported, error = ray.get(task)
    except ray.exceptions.RayTaskError as failed:
        if isinstance(failed.cause, ImportError):
            why = f"a worker of the cluster cannot import what it needs ({failed.cause}); on each node: {_INSTALL}"
            return [Ended(attempt, ClusterError(f"--cluster: {why}"))]
        return [Lost(attempt, f"{type(failed.cause).__name__}: {failed.cause}")]
    except ray.exceptions.RuntimeEnvSetupError as unready:
        why = str(unready).strip().partition("\n")[0]
        return [Ended(attempt, ClusterError(f"--cluster: the workers cannot be set up: {why}"))]
    except ray.exceptions.RayError as lost:
        return [Lost(attempt, f"its worker or node was lost ({type(lost).__name__})")]
    return [Reported(attempt, unreported), Ended(attempt, error)]


def _desk_class() -> type:
    """The class of the actor; made in a function, for Ray to send it as it stands and not by its import path."""

    class Desk:
        def __init__(self) -> None:
            # Where its node is lost Ray starts another one, which knows nothing of what this one was given.
            self.identity = os.urandom(8)
            self.orders: tuple[float | None, bool] | None = None
            self.given: list[tuple[int, int, Any]] = []
            self.collected: list[tuple[int, int, Any]] = []
            self.collections = 0
            self.remembered: dict[int, int] = {}

        def exchange(
            self, attempt: int, number: int, results: Any
        ) -> tuple[bytes, tuple[float | None, bool] | None, int]:
            """Takes a numbered group of results; gives who it is, the orders, and the last group remembered."""
            if results:
                self.given.append((attempt, number, results))
            return self.identity, self.orders, self.remembered.get(attempt, 0)

        def collect(
            self,
            orders: tuple[float | None, bool],
            taken: tuple[bytes, int] | None,
        ) -> tuple[tuple[bytes, int], list[tuple[int, int, Any]]]:
            """Takes the orders of the driver, and which collection it has remembered; gives the results."""
            self.orders = orders
            if taken == (self.identity, self.collections):
                for attempt, number, _ in self.collected:
                    self.remembered[attempt] = number
                self.collected = []
            # What the driver did not get, it gets again: of each name the first result counts.
            self.collected, self.given = self.collected + self.given, []
            self.collections += 1
            return (self.identity, self.collections), self.collected

    return Desk


def _slice_task() -> Any:
    """The function of a task, made in a function for the same reason."""

    def mirror_slice(desk: Any, attempt: int, todo: Any) -> Any:
        from trio_mirror.distributed.ray_worker import mirror

        return mirror(desk, attempt, todo)

    return mirror_slice
