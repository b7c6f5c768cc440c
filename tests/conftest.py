"""Fixtures of several test modules: a small synthetic pack, and running a command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from made_pack import make_pack
from rcl.cli import main
from typed import Rcl, Result

# The speed of an example says nothing on a busy machine. A test may still set limits of its own.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands work in the process of the test: workers that nobody asked for would only import torch again."""
    monkeypatch.setattr("rcl.system.device.usable_cores", lambda: 1)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of sixteen training and four validation videos with synthetic features."""
    return make_pack(tmp_path_factory.mktemp("pack"), training=16, validation=4, seed=1)


@pytest.fixture
def rcl_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rcl:
    """``rcl`` with arguments, in this process; both streams are pipes."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["rcl", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Result(status, *capsys.readouterr())

    return run
