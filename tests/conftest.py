"""What several test modules need: a small made-up pack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from rcl.demo import make_pack


@pytest.fixture(scope="session", autouse=True)
def _one_thread_per_worker() -> None:
    """Tests run side by side; each on its own core is faster than all on all."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen training and four validation videos of the demo's kind."""
    return make_pack(tmp_path_factory.mktemp("pack"), training=16, validation=4, seed=1)
