"""Several processes that train one model: what they add up and hand each other. One process is its own whole."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


def processes() -> int:
    """How many there are."""
    return distributed.get_world_size() if _several() else 1


def over_processes(*counts: Tensor) -> tuple[Tensor, ...]:
    """Sums of counts over all processes, in one exchange; of one process the counts themselves.

    All processes have to come here equally often and in the same order. No gradient goes through.

    Args:
        counts: scalars of one type.
    """
    if not _several():
        return counts
    sums = torch.stack(counts).detach()
    distributed.all_reduce(sums)
    return sums.unbind()


def gathered(value: T) -> list[T]:
    """What every process has, in the order of their ranks, in every process."""
    if not _several():
        return [value]
    values: list[T | None] = [None] * processes()
    distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
