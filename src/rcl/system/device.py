"""The cores, the accelerator and the threads that a program may use. Importing this module does not import torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SMALL_PARAMETERS = 2_000_000
"""Below this a network uses one thread. The default network has 1.1 million; those of BMN and G-TAD have 5 million."""


def usable_cores() -> int:
    """Processor cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def best_device() -> torch.device:
    """A GPU if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_threads(count: int) -> None:
    """Use so many threads for all networks, here and in processes that are started later, like ``OMP_NUM_THREADS``."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    if torch := sys.modules.get("torch"):  # otherwise it reads the variable when it is imported
        torch.set_num_threads(count)


@contextmanager
def threads_for(network: torch.nn.Module) -> Iterator[None]:
    """Use one thread inside for a small network on the CPU, unless ``OMP_NUM_THREADS`` is set.

    Threads of a small network meet after every few microseconds of work. On an idle machine two of them are hardly
    faster than one. On a busy machine each meeting waits until the operating system runs them all, and training takes
    several times as long (``benchmarks/threads.py``).
    """
    import torch

    parameters = list(network.parameters())
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    is_small = sum(parameter.numel() for parameter in parameters) < SMALL_PARAMETERS
    if "OMP_NUM_THREADS" in os.environ or not (on_cpu and is_small):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
