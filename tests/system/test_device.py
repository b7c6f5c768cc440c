"""How many threads a network uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from rcl.system.device import SMALL_PARAMETERS, set_threads, threads_for
from typed import Rcl

SMALL, LARGE = nn.Linear(10, 10), nn.Linear(SMALL_PARAMETERS, 1)


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("network", "threads"), [(SMALL, 1), (LARGE, 3), (nn.Linear(10, 10, device="meta"), 3)])
def test_a_small_network_on_the_cpu_uses_one_thread(network: nn.Module, threads: int) -> None:
    with threads_for(network):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


def test_threads_are_restored_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), threads_for(SMALL):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == 3


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with threads_for(SMALL):
        assert torch.get_num_threads() == 3
    set_threads(2)
    with threads_for(SMALL):
        assert torch.get_num_threads() == 2


def test_the_option_threads_decides(tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = rcl_("detect", tmp_path / "none.ckpt", tmp_path, "--output", tmp_path / "x.json", "--threads", 2)
    assert "no such file" in result.err
    assert (os.environ["OMP_NUM_THREADS"], torch.get_num_threads()) == ("2", 2)
