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
from rcl.system.extras import how_to_install

Work: TypeAlias = Callable[[int], Any]
Start: TypeAlias = Callable[[int], Work]

CONNECT_SECONDS = 10.0  # to wait for an address to answer
RETRIES = 1  # of an item whose worker died, which may have another cause
OBJECT_STORE_BYTES = 2**28  # of a Ray that we start: only positions and outcomes pass through it


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, or Ray on this machine, that works on many items.

    Args:
        address: of a running Ray, e.g. ``auto`` on one of its machines; ``None`` takes ``RAY_ADDRESS``, which Ray sets
            in its jobs, or else starts Ray on this machine.
        workers: number of workers; by default one per core, or for networks one per GPU if there are GPUs.
        network: whether the work uses a GPU, or several cores if there are fewer workers than cores.
    """

    address: str | None = None
    workers: int | None = None
    network: bool = False

    def map(self, start: Start, count: int) -> Iterator[tuple[int, Any]]:
        """Work on ``count`` items and yield the position and the outcome of each in the order of completion.

        A worker that dies is replaced, and its items are done again, in a second pass one at a time per worker. An item
        whose workers die in this pass, too, has the outcome ``None``.

        Args:
            start: picklable function, called in each worker with the number of threads that it may use. It returns the
                work, a function of the position of an item that handles its own errors.
            count: number of items.

        Raises:
            InputError: Ray is not installed, or cannot be reached.
        """
        left = set(range(count))
        for in_flight in (2, 1):  # with the next item queued; then alone, so that no other item is lost with it
            # A new connection, because Ray may keep an actor that died at the end, with its core.
            with self._connected():
                for position, outcome in self._pass(start, sorted(left), in_flight=in_flight):
                    left.discard(position)
                    yield position, outcome
            if not left:
                return
        yield from ((position, None) for position in sorted(left))

    def _pass(self, start: Start, positions: Sequence[int], *, in_flight: int) -> Iterator[tuple[int, Any]]:
        if not positions:
            return
        import ray.data
        import ray.exceptions

        share = self._share(len(positions))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`ray_remote_args`")  # the only way to set retries, removed in 2.64
            dataset = ray.data.from_items(list(positions), override_num_blocks=len(positions)).map(
                _Worker,
                fn_constructor_args=(start, share.threads),
                compute=ray.data.ActorPoolStrategy(size=share.workers, max_tasks_in_flight_per_actor=in_flight),
                num_cpus=share.cores,
                num_gpus=share.accelerators,
                max_task_retries=RETRIES,
            )
        try:
            for row in dataset.iter_rows():
                yield row["position"], pickle.loads(row["outcome"])  # written by our own workers
        except ray.exceptions.RayError as error:
            found = [line for line in str(error).splitlines() if line.strip()][-1].strip()[:200]
            fix = "install the same rcl-tad on all machines, and check that they can be reached"
            raise InputError("--engine ray", expected="workers that start", found=found, fix=fix) from None

    def _share(self, count: int) -> _Share:
        """The share of the cluster that each worker takes."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        cores, accelerators = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "GPU"))
        if self.network and accelerators:
            workers = min(self.workers or accelerators, count)
            return _Share(workers, max(1, cores // workers), accelerators=min(1.0, accelerators / workers))
        workers = max(1, min(self.workers or cores, count))
        most = min((int(node["CPU"]) for node in nodes), default=1)  # a worker runs on one machine
        # Request one core at most: all cores of a machine may never be free at once.
        threads = max(1, min(cores // workers, most)) if self.network else 1
        return _Share(workers, threads, cores=min(1.0, cores / workers))

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            # Crash reports and usage statistics are for people who operate Ray.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
            import ray.data
        except ImportError:
            fix = how_to_install("cluster")
            raise InputError("--engine ray", expected="Ray", found="no such package", fix=fix) from None
        ours = not ray.is_initialized()
        if ours:
            self._connect()
        context = ray.data.DataContext.get_current()
        before = context.enable_progress_bars, context.max_errored_blocks
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # a lost item shows by its absence
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
            fix = "start one with ray start --head, or omit --address"
            raise InputError(f"--address {address}", expected="a running Ray", found=found, fix=fix) from None


def _check_reachable(address: str) -> None:
    """Raise an ``OSError`` if nothing listens at the address; Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


class _Share(NamedTuple):
    """The number of workers and the share of each; Ray chooses what is ``None``."""

    workers: int
    threads: int
    cores: float | None = None
    accelerators: float | None = None


class _Worker:
    """The actor: starts the work once, then does it for each row."""

    def __init__(self, start: Start, threads: int) -> None:
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        self.work = start(threads)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"position": row["item"], "outcome": pickle.dumps(self.work(row["item"]))}
