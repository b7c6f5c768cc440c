"""The processes of one training: their start, and how the end of one ends the others with a single message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.environments import (
    LightningEnvironment,
    LSFEnvironment,
    MPIEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed

from rcl.system.device import usable_cores

PERIOD_SECONDS = 0.25  # between two looks at the other processes
GRACE_SECONDS = 2.0  # for a process to notice a loss by itself, or to print its own error
EXIT_SECONDS = 10.0  # for a process to exit after that, which takes long on a busy machine

_LAUNCHERS = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
_PARENT = "RCL_PARENT"  # environment variable: the process that started this one


class ProcessLost(RuntimeError):
    """Another process of the training has ended."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the training has ended: it was killed, ran out of memory, or printed its own error; "
            "the same command with --resume goes on from the last epoch."
        )


class FirstProcess(LightningEnvironment):
    """The environment of a machine's first process, which starts the others itself instead of Lightning.

    Lightning's own launcher kills the first process soon after another one has ended, before it could say why.
    """

    @property
    def creates_processes_externally(self) -> bool:
        """True, so that Lightning starts no processes."""
        return True


class Processes(DDPStrategy):
    """Data-parallel training with one process per device.

    The first process of a machine starts the others with its own command line, unless a launcher such as torchrun or
    srun started all of them.

    Attributes:
        children: the processes that this one has started.
    """

    def __init__(self, **options: Any) -> None:
        launched = "LOCAL_RANK" in os.environ or any(launcher.detect() for launcher in _LAUNCHERS)
        super().__init__(cluster_environment=None if launched else FirstProcess(), **options)
        self.children: list[subprocess.Popen] = []

    def setup_environment(self) -> None:
        """Start the other processes of this machine if that is left to us, and connect to all."""
        environment = self.cluster_environment
        if isinstance(environment, FirstProcess) and not self.children:
            # Torch would report a lost connection over a page before we do in a sentence.
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
            shared = {
                "MASTER_ADDR": environment.main_address,
                "MASTER_PORT": str(environment.main_port),
                "NODE_RANK": str(environment.node_rank()),
                "WORLD_SIZE": str(self.num_processes * self.num_nodes),
                _PARENT: str(os.getpid()),
            }
            command = [sys.executable, *sys.orig_argv[1:]]
            for rank in range(1, self.num_processes):
                self.children.append(subprocess.Popen(command, env={**os.environ, **shared, "LOCAL_RANK": str(rank)}))
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(min(torch.get_num_threads(), max(1, usable_cores() // self.num_processes)))
        super().setup_environment()


def is_launched(trainer: lightning.Trainer) -> bool:
    """Whether the first process, torchrun or srun started this process for the training."""
    strategy = trainer.strategy
    return isinstance(strategy, Processes) and not isinstance(strategy.cluster_environment, FirstProcess)


class DefaultSigterm(Callback):
    """Lets a SIGTERM end this process at once; Lightning's handler would wait for processes that did not get one."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Replace the handler that Lightning has installed."""
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class PeerMonitor:
    """Context of a training in several processes in which the end of one ends all; with one process it does nothing.

    A process notices that another one is lost by its connection, by its parent or children, and by a mark in the store
    through which the processes have met. An error of the process itself passes through. Of the processes that only lost
    another one, the first of each machine raises ``ProcessLost``, and the others exit without a message. Where the main
    thread hangs in a collective operation, as it does with NCCL, a thread prints the message and ends the process.

    Args:
        trainer: of the training.
    """

    def __init__(self, trainer: lightning.Trainer) -> None:
        self._trainer = trainer
        self._finished = threading.Event()
        self._ending = threading.Lock()  # held by the thread that ends this process
        self._parent = int(os.environ.get(_PARENT, os.getppid())) if is_launched(trainer) else None
        self._connection: distributed.TCPStore | None = None
        # torchrun keeps its store when it starts all processes again.
        self._mark = f"rcl/over/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"

    def __enter__(self) -> PeerMonitor:
        if self._trainer.world_size > 1:
            threading.Thread(target=self._watch, daemon=True, name="peer-monitor").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._trainer.world_size == 1:
            return
        try:
            if error is None:
                self._trainer.strategy.barrier()  # so that no process takes one that is done for one that is lost
        except RuntimeError as failure:
            error = failure
        self._finished.set()
        if error is not None:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """End the other processes after an error in this one, and replace the error by what this one should report."""
        if not self._ending.acquire(blocking=False):
            time.sleep(2 * EXIT_SECONDS)  # until the other thread has ended the process
        if isinstance(error, KeyboardInterrupt) and self._trainer.local_rank > 0:
            raise SystemExit(130) from None  # the terminal interrupts the first process, too, which reports it
        lost = _is_lost_connection(error)
        if lost:
            time.sleep(PERIOD_SECONDS)  # until the system knows that a parent is gone
        first = self._reports()
        status = self._end_children()
        if not first and not isinstance(error, KeyboardInterrupt):
            if self._parent is not None and _PARENT not in os.environ:
                time.sleep(GRACE_SECONDS)  # torchrun ends all as soon as one has ended, also the one that reports
            raise SystemExit(status) from None
        if lost:
            raise ProcessLost from None

    def _watch(self) -> None:
        """Look at the other processes until this one is done; where one of them is lost, end this one."""
        while not self._finished.wait(PERIOD_SECONDS):
            if self._one_is_lost():
                break
        if not self._finished.wait(GRACE_SECONDS) and self._ending.acquire(blocking=False):
            if self._reports():
                print(f"rcl: {ProcessLost()}", file=sys.stderr, flush=True)
            os._exit(self._end_children())  # no exception reaches a main thread that hangs in a collective operation

    def _one_is_lost(self) -> bool:
        if any(child.poll() for child in self._children()) or self._is_orphan():
            return True
        try:
            store = self._store()
            return store is not None and store.check([self._mark])
        except RuntimeError:  # the very first process, which holds the store, is lost
            return True

    def _reports(self) -> bool:
        """Whether this process is the first of its machine to report; from here on all know that the training ends."""
        try:
            store = self._store()
            if store is not None and not self._is_orphan():
                store.set(self._mark, "")
                return store.add(f"{self._mark}/{self._trainer.node_rank}", 1) == 1
        except RuntimeError:
            pass
        # The very first process holds the store. If it is lost, the next one of its machine reports.
        return self._trainer.local_rank == int(self._is_orphan() and _PARENT in os.environ)

    def _store(self) -> distributed.TCPStore | None:
        """A connection to the store through which the processes have met; ``None`` before that."""
        if self._connection is None and distributed.is_initialized():
            place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            timeout = timedelta(seconds=5 * GRACE_SECONDS)
            self._connection = distributed.TCPStore(*place, timeout=timeout, wait_for_workers=False)
        return self._connection

    def _is_orphan(self) -> bool:
        return self._parent is not None and os.getppid() != self._parent

    def _end_children(self) -> int:
        """Give the children time to print their errors, end them, and return the exit status for this process."""
        deadline = time.monotonic() + EXIT_SECONDS
        children = self._children()
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            time.sleep(PERIOD_SECONDS / 10)
        for child in children:
            child.kill()
        if not children and self._trainer.is_global_zero and distributed.is_initialized():
            time.sleep(2 * PERIOD_SECONDS)  # in which the others find the mark in the store
        return max([1, *(child.returncode or 0 for child in children)])

    def _children(self) -> list[subprocess.Popen]:
        strategy = self._trainer.strategy
        return strategy.children if isinstance(strategy, Processes) else []


def _is_lost_connection(error: BaseException) -> bool:
    """Whether a collective operation failed because another process is gone."""
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)  # gloo has no exception of its own
