"""What the processes of one training exchange. All functions also work in a training of one process."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


def processes() -> int:
    """The number of processes."""
    return distributed.get_world_size() if _several() else 1


def over_processes(*counts: Tensor) -> tuple[Tensor, ...]:
    """Sum counts over all processes, in one exchange.

    All processes have to call this equally often and in the same order. The sums carry no gradient.

    Args:
        counts: scalars of one type.
    """
    if not _several():
        return counts
    sums = torch.stack(counts).detach()
    distributed.all_reduce(sums)
    return sums.unbind()


def gathered(value: T) -> list[T]:
    """The values of all processes, in the order of their ranks; every process gets all of them."""
    if not _several():
        return [value]
    values: list[T | None] = [None] * processes()
    distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
