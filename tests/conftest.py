"""What several test modules need: a small made-up pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from made_pack import make_pack


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen training and four validation videos of made-up features."""
    return make_pack(tmp_path_factory.mktemp("pack"), training=16, validation=4, seed=1)
