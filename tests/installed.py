"""What an installed RCL has to do, away from its repository: ``python tests/installed.py`` in its environment.

``tests/test_wheel.py`` runs this with the wheel alone in an environment, ``make release-check`` with a clean one.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rcl
from tiny_pack import tiny_annotations, tiny_pack

QUICK = ["training.epochs=1", "training.epoch_steps=1", "training.validate_every=1", "inference.candidates=50"]
COMMAND = [sys.executable, "-m", "rcl.cli"]


def check_version() -> None:
    """The command, the package and its metadata agree, and the package is not that of the repository."""
    assert "site-packages" in Path(rcl.__file__).parts, rcl.__file__
    program = Path(sys.executable).with_name("rcl")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert told == f"rcl {rcl.__version__}\n", told
    assert rcl.__version__ == importlib.metadata.version("rcl-tad")


def check_training(folder: Path) -> None:
    """A packaged recipe trains, by its name."""
    pack = tiny_pack(folder / "pack", tiny_annotations(subsets={4: "validation"}))
    command = [*COMMAND, "train", "small", f"data.root={pack}", *QUICK, "--output", str(folder / "run")]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    assert (folder / "run" / "last.ckpt").is_file()


def check_page(folder: Path) -> None:
    """The page of ``rcl serve`` is sent, with its scripts and styles."""
    with served(folder / "pack") as address:
        page = read(address)
        assert "<title>" in page, page[:500]
        for name in ("serve.js", "serve.css", "dom.js", "timeline.css"):
            assert read(f"{address}static/{name}"), name


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which ``rcl serve`` offers a folder."""
    command = [*COMMAND, "serve", str(folder), "--port", "0", "--no-background"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        begin = time.perf_counter()
        check_version()
        check_training(Path(name))
        check_page(Path(name))
        print(f"rcl {rcl.__version__} works as it is installed ({time.perf_counter() - begin:.0f} s)")


if __name__ == "__main__":
    main()
