"""What the benchmarks of accuracy share: the packs, the commands of a user, the scores of detections, and tables."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import environ
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

COARSE, FINE = "0.3:0.7:0.1", "0.5:0.95:0.05"
MEASURES = {"average": "mAP 0.3:0.7", "short": "short", "fine": "mAP 0.5:0.95", "recall": "AR@100"}
"""What is measured of detections, in percent, and the heads of the columns."""

Work = TypeVar("Work")


class Pack(NamedTuple):
    """A data set, and the longest action that counts as short."""

    name: str
    short_seconds: float


PACKS = (
    Pack("50salads-mid-fold1", 8.0),
    Pack("50salads-mid-fold2", 8.0),
    Pack("gtea-fold1", 1.5),
    Pack("sbhar-dev", 6.0),
    Pack("50salads-S-fold1", 8.0),
    Pack("50salads-AS-fold1", 8.0),
)


def chosen_packs(names: Sequence[str]) -> list[Pack]:
    """The packs of these names."""
    return [pack for pack in PACKS if pack.name in names]


def rcl(*arguments: object, threads: int | None = None, log: Path | None = None) -> None:
    """Run a command of ``rcl`` in a process of its own.

    Args:
        arguments: behind ``rcl``.
        threads: of the process; ``None``: as many as it chooses.
        log: file that gets all that it prints; ``None`` drops its results and passes its messages on.
    """
    command = [sys.executable, "-m", "rcl.cli", *map(str, arguments)]
    environment = {**environ, "OMP_NUM_THREADS": str(threads)} if threads else None
    if log is None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment).returncode
    if status:
        raise SystemExit(f"rcl {arguments[0]} ended with status {status}; {log} says why")


def detect(checkpoint: Path, pack: Path, output: Path, *options: object, threads: int | None = None) -> Path:
    """The detections in the validation videos of a pack; a file that exists is taken as it is."""
    if not output.exists():
        rcl("detect", checkpoint, pack, "--subset", "validation", *options, "--output", output, threads=threads)
    return output


def score(detections: Path, pack: Path, short_seconds: float) -> dict[str, float]:
    """All ``MEASURES`` of detections, in percent, from ``rcl evaluate``, whose results are kept next to them."""
    results = []
    for name, thresholds in (("coarse", COARSE), ("fine", FINE)):
        kept = detections.with_name(f"{detections.stem}-{name}.json")
        if not kept.exists():
            options = ("--tiou", thresholds, "--short", short_seconds, "--json", kept)
            rcl("evaluate", detections, pack, *options, threads=1)
        results.append(json.loads(kept.read_text(encoding="utf-8")))
    coarse, fine = results
    values = {
        "average": coarse["average_mAP"],
        "short": coarse["short_mAP"],
        "fine": fine["average_mAP"],
        "recall": coarse["AR@100"],
    }
    return {name: 100 * value for name, value in values.items() if value is not None}


def in_parallel(work: Callable[[Work], object], items: Sequence[Work], jobs: int) -> None:
    """Call ``work`` on all items, ``jobs`` at a time, and say which are done."""
    with ThreadPoolExecutor(jobs) as pool:
        for number, _ in enumerate(pool.map(work, items), start=1):
            print(f"{number} of {len(items)} done", file=sys.stderr, flush=True)


# -- tables ------------------------------------------------------------------------------------------------------


def spread(values: Sequence[float]) -> float:
    """Half the distance from the lowest to the highest."""
    return (max(values) - min(values)) / 2


def cell(values: Sequence[float]) -> str:
    """Mean and spread over seeds.

    >>> cell([66.0, 67.0]), cell([66.0]), cell([])
    ('66.5 ± 0.5', '66.0', '–')
    """
    if not values:
        return "–"
    return f"{statistics.mean(values):.1f}" + (f" ± {spread(values):.1f}" if len(values) > 1 else "")


def of_seeds(scores: Iterable[dict[str, float]], measure: str) -> list[float]:
    """One measure of every seed that has it."""
    return [own[measure] for own in scores if measure in own]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
