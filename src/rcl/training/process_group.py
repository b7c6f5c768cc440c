"""Where a training runs in several processes and one of them ends, all end, and one of each machine says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

from rcl.system.device import usable_cores

PERIOD_SECONDS = 0.25  # between two looks at the others
GRACE_SECONDS = 2.0  # in which a process notices by itself, or says what it has to say
PARENT = "RCL_PARENT"  # environment variable: the process that started this one

OVER = "rcl/over"


class ProcessLost(RuntimeError):
    """A process of the training has ended."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the training has ended, by a kill, for lack of memory, or for what it says itself; "
            "the same command with --resume goes on from the last epoch."
        )


class Launcher(_SubprocessScriptLauncher):
    """Lightning's without its observer, which kills this process within five seconds, before it could say why."""

    def launch(self, function: Callable, *args: Any, trainer: lightning.Trainer | None = None, **kwargs: Any) -> Any:
        """Start the other processes of this machine, unless somebody else does, and call ``function``."""
        if not self.cluster_environment.creates_processes_externally:
            os.environ[PARENT] = str(os.getpid())
            # Torch would tell of a lost connection in a page, before we do in a sentence.
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
            self._call_children_scripts()
            del os.environ[PARENT]
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, usable_cores() // self.num_processes))
        return function(*args, **kwargs)


class Processes(DDPStrategy):
    """One process per device, the gradients averaged; see :class:`Launcher`."""

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self.num_nodes)


class EndsAtOnce(Callback):
    """A SIGTERM ends this process where it is; Lightning would wait in it for the others, who know of nothing."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Undo what Lightning has set by now."""
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class EndsTogether:
    """Context of a training in several processes: an error in one ends all.

    Processes notice a lost one by its connection, by their parent or children, and by a mark in the store through which
    they found each other. Who raises an error of its own lets it through. Of those that only lost another one, the
    first of every machine raises :class:`ProcessLost` (or says so and exits, if it hangs in an exchange, as with NCCL);
    the rest exit in silence. In a training of one process this does nothing.

    Args:
        trainer: of the training.
    """

    def __init__(self, trainer: lightning.Trainer) -> None:
        self.trainer = trainer
        self.finished = threading.Event()
        self.ending = threading.Lock()  # held by the thread that ends this process
        self.parent = int(os.environ.get(PARENT, os.getppid())) if is_launched(trainer) else None

    def __enter__(self) -> EndsTogether:
        if self.trainer.world_size > 1:
            threading.Thread(target=self._watch, daemon=True, name="ends-together").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.trainer.world_size == 1:
            return
        try:
            if error is None:
                self.trainer.strategy.barrier()  # so that nobody takes one that is done for one that is lost
        except RuntimeError as failure:
            error = failure
        self.finished.set()
        if error is None:
            return
        if not self.ending.acquire(blocking=False):
            time.sleep(10 * GRACE_SECONDS)  # until the other thread has ended the process
        if isinstance(error, KeyboardInterrupt) and self.trainer.local_rank > 0:
            raise SystemExit(130) from None  # the first process, which the terminal interrupts as well, says it
        lost = is_lost_connection(error)
        if lost:
            time.sleep(PERIOD_SECONDS)  # until the system knows that a parent is gone
        first = self._is_first()
        status = self._end_children()
        if not first and not isinstance(error, KeyboardInterrupt):
            if self.parent is not None and PARENT not in os.environ:
                time.sleep(GRACE_SECONDS)  # torchrun ends all as soon as one has ended, also the one that speaks
            raise SystemExit(status) from None
        if lost:
            raise ProcessLost from None

    def _watch(self) -> None:
        """Look at the others until this process is done, then end it where one of them is lost."""
        while not self.finished.wait(PERIOD_SECONDS):
            if self._one_is_lost():
                break
        if not self.finished.wait(GRACE_SECONDS) and self.ending.acquire(blocking=False):
            if self._is_first():
                print(f"rcl: {ProcessLost()}", file=sys.stderr, flush=True)
            os._exit(self._end_children())  # the main thread may hang in an exchange, where no exception reaches it

    def _one_is_lost(self) -> bool:
        if any(child.poll() for child in self._children()):
            return True
        if self._is_orphan():
            return True
        store = _store()
        try:
            return store is not None and store.check([OVER])
        except RuntimeError:  # the first process, which keeps it, is lost
            return True

    def _is_first(self) -> bool:
        """Whether no other process of this machine has spoken; from here on all know that it is over."""
        store = _store()
        try:
            if store is not None and not self._is_orphan():
                store.set(OVER, "")
                return store.add(f"{OVER}/{self.trainer.node_rank}", 1) == 1
        except RuntimeError:
            pass
        # The very first process keeps the store. If it is gone, the next one of its machine speaks.
        return self.trainer.local_rank == int(self._is_orphan() and PARENT in os.environ)

    def _is_orphan(self) -> bool:
        return self.parent is not None and os.getppid() != self.parent

    def _end_children(self) -> int:
        """Let the children speak, end them, and tell the status with which this process should end."""
        deadline = time.monotonic() + 2 * GRACE_SECONDS
        children = self._children()
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            time.sleep(PERIOD_SECONDS / 10)
        for child in children:
            child.send_signal(signal.SIGKILL)  # nobody that has ended
        if not children and self.trainer.is_global_zero and _store() is not None:
            time.sleep(2 * PERIOD_SECONDS)  # in which the others find the mark in the store
        return max([1, *(child.returncode or 0 for child in children)])

    def _children(self) -> list[subprocess.Popen]:
        launcher = self.trainer.strategy.launcher
        return launcher.procs if isinstance(launcher, Launcher) else []


def is_launched(trainer: lightning.Trainer) -> bool:
    """Whether somebody else has started this process for the training: its first process, torchrun, srun."""
    strategy = trainer.strategy
    if not isinstance(strategy, Processes):
        return False
    assert strategy.cluster_environment is not None
    return strategy.cluster_environment.creates_processes_externally


def is_lost_connection(error: BaseException) -> bool:
    """Whether an exchange failed because another process is gone."""
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)  # which has no error of its own


def _store() -> Any:
    """Through which the processes have found each other; ``None`` before that."""
    if not distributed.is_initialized():
        return None
    return distributed.distributed_c10d._get_default_store()
