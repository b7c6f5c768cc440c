"""Work on many items through Ray Data: on a cluster, or in processes of this machine."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from rcl.system.device import usable_cores
from rcl.system.errors import InputError

Work: TypeAlias = Callable[[int], Any]
Start: TypeAlias = Callable[[int], Work]

PATIENCE_SECONDS = 10.0  # with an address
RETRIES = 1  # of an item whose worker died, as it may not be its fault
OBJECT_STORE_BYTES = 2**28  # of a Ray of our own: what passes through it are positions and outcomes


@dataclass(frozen=True)
class Cluster:
    """Where the work is done.

    Args:
        address: of a running Ray, e.g. ``auto`` on one of its machines; ``None``: that of ``RAY_ADDRESS``, which Ray
            sets in its jobs, or else a Ray of our own, on this machine.
        workers: how many; by default one for each core, or for a network one for each GPU where there are any.
        network: the work takes a GPU, or several cores where there are fewer workers.
    """

    address: str | None = None
    workers: int | None = None
    network: bool = False

    def map(self, start: Start, count: int) -> Iterator[tuple[int, Any]]:
        """Work on ``count`` items and yield the position and the outcome of each as they come.

        A worker that dies is replaced, and what it had in hand is done again, in the end by a worker that has nothing
        else in hand. An item of which workers still die has the outcome ``None``.

        Args:
            start: picklable; called in each worker with the number of threads that it may use, it returns the work, a
                function of the position of an item, which has to answer for its own errors.
            count: number of items.

        Raises:
            InputError: Ray is not installed, or cannot be reached.
        """
        left = set(range(count))
        for in_hand in (2, 1):  # a second item to go on with at once; or no other one to take along
            # A new connection, as Ray may keep an actor that died at the end, and the core that it had.
            with self._connected():
                for position, outcome in self._pass(start, sorted(left), in_hand=in_hand):
                    left.discard(position)
                    yield position, outcome
            if not left:
                return
        yield from ((position, None) for position in sorted(left))

    def _pass(self, start: Start, positions: Sequence[int], *, in_hand: int) -> Iterator[tuple[int, Any]]:
        if not positions:
            return
        import ray.data
        import ray.exceptions

        share = self._share(len(positions))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`ray_remote_args`")  # the only way to say how often, which 2.64 ends
            dataset = ray.data.from_items(list(positions), override_num_blocks=len(positions)).map(
                _Worker,
                fn_constructor_args=(start, share.threads),
                compute=ray.data.ActorPoolStrategy(size=share.workers, max_tasks_in_flight_per_actor=in_hand),
                num_cpus=share.cores,
                num_gpus=share.accelerators,
                max_task_retries=RETRIES,
            )
        try:
            for row in dataset.iter_rows():
                yield row["position"], pickle.loads(row["outcome"])  # written by our own workers
        except ray.exceptions.RayError as error:
            found = [line for line in str(error).splitlines() if line.strip()][-1].strip()[:200]
            fix = "install the same rcl-tad on all machines, and see whether they can be reached"
            raise InputError("--engine ray", expected="workers that start", found=found, fix=fix) from None

    def _share(self, count: int) -> _Share:
        """What each worker takes of what there is."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        cores, accelerators = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "GPU"))
        if self.network and accelerators:
            workers = min(self.workers or accelerators, count)
            return _Share(workers, max(1, cores // workers), accelerators=min(1.0, accelerators / workers))
        workers = max(1, min(self.workers or cores, count))
        most = min((int(node["CPU"]) for node in nodes), default=1)  # a worker is on one machine
        # One core is asked for and no more: all of a machine may never be free at once.
        threads = max(1, min(cores // workers, most)) if self.network else 1
        return _Share(workers, threads, cores=min(1.0, cores / workers))

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            # Its crash reports and usage statistics are for those who run Ray itself.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
            import ray.data
        except ImportError:
            fix = 'run pip install "rcl-tad[cluster]"'
            raise InputError("--engine ray", expected="Ray", found="none installed", fix=fix) from None
        ours = not ray.is_initialized()
        if ours:
            self._connect()
        context = ray.data.DataContext.get_current()
        before = context.enable_progress_bars, context.max_errored_blocks
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # an item that is lost is told by its absence
        try:
            yield
        finally:
            context.enable_progress_bars, context.max_errored_blocks = before
            if ours:
                ray.shutdown()

    def _connect(self) -> None:
        import ray

        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        own: dict[str, Any] = {
            "num_cpus": usable_cores(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            _check_reachable(address)
            ray.init(
                address, log_to_driver=False, logging_level=logging.CRITICAL, **(own if address == "local" else {})
            )
        except (OSError, ValueError, RuntimeError) as error:
            found = " ".join(str(error).split())[:200]
            fix = "start one with ray start --head, or leave --address out"
            raise InputError(f"--address {address}", expected="a running Ray", found=found, fix=fix) from None


def _check_reachable(address: str) -> None:
    """Raise an ``OSError`` where nobody listens, for which Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_SECONDS).close()


class _Share(NamedTuple):
    """How many workers, and what each takes; the rest is left to Ray."""

    workers: int
    threads: int
    cores: float | None = None
    accelerators: float | None = None


class _Worker:
    """What runs in an actor: the work, started once."""

    def __init__(self, start: Start, threads: int) -> None:
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        self.work = start(threads)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"position": row["item"], "outcome": pickle.dumps(self.work(row["item"]))}
