"""The page of the Python interface is what the docstrings say."""

from __future__ import annotations

import subprocess
import sys

import rcl
from places import ROOT


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, ROOT / "docs" / "make_api.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_has_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in rcl.__all__ if f"## `rcl.{name}`\n" not in page and name != "__version__"] == []
