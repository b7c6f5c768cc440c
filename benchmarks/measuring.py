"""Time and memory of functions, and the command line and files that all benchmarks share."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import multiprocessing.connection
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Run = Callable[[], Any]


def argument_parser(docstring: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark: its first line as description, and ``--json``."""
    parser = argparse.ArgumentParser(description=(docstring or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    return parser


def write_json(path: Path | None, numbers: Any) -> None:
    """Write the numbers that a benchmark printed to the file of ``--json``, if it is given."""
    if path:
        path.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def replace_block(document: Path, begin: str, end: str, text: str) -> None:
    """Replace what is between the first line ``begin`` of a document and the next ``end``."""
    before, _, rest = document.read_text(encoding="utf-8").partition(f"{begin}\n")
    if not rest:
        raise SystemExit(f"{document}: expected a line {begin}, found none; add it")
    after = rest.partition(end)[2]
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def best_seconds(run: Run, rounds: int) -> float:
    """Shortest time of some rounds, the one that other processes disturbed least, after a round to warm up."""
    return min(in_turn({"": run}, rounds)[""])


def in_turn(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in every round. A round runs all ways in turn; the first round is not counted."""
    seconds: dict[str, list[float]] = {way: [] for way in runs}
    for _ in range(rounds + 1):
        for way, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[way].append(time.perf_counter() - begin)
    return {way: times[1:] for way, times in seconds.items()}


def peak_memory(prepare: Callable[..., Run], *arguments: Any) -> int:
    """Largest growth of the resident set of a fresh process, in bytes, while it runs what ``prepare`` returns (Linux).

    ``prepare`` makes the inputs, and loads the libraries with a small run.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_growth, args=(sender, prepare, *arguments))
    process.start()
    sender.close()
    peak = receiver.recv()
    process.join()
    return peak


def _send_growth(sender: multiprocessing.connection.Connection, prepare: Callable[..., Run], *arguments: Any) -> None:
    run = prepare(*arguments)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = resident("VmRSS")
    run()
    sender.send(resident("VmHWM") - before)


def resident(field: str) -> int:
    """A field of ``/proc/self/status``, such as ``VmRSS``, in bytes (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def compare(
    title: str, seconds: Mapping[str, Sequence[float]], peaks: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    """Print a row per way, compared with the first one, and return the numbers."""
    ours = next(iter(seconds))
    print(f"\n{title:26}{'ms':>9}{'best':>9}{'slower':>9}{'MiB':>9}{'more':>9}")
    rows = {}
    for way, times in seconds.items():
        rows[way] = row = {
            "milliseconds": statistics.median(times) * 1e3,
            "best_milliseconds": min(times) * 1e3,
            "times_slower": statistics.median(b / a for a, b in zip(seconds[ours], times, strict=True)),
            "peak_mib": peaks[way] / 2**20,
            "times_more_memory": peaks[way] / peaks[ours],
        }
        print(f"{way:26}{row['milliseconds']:9.1f}{row['best_milliseconds']:9.1f}{row['times_slower']:8.1f}×", end="")
        print(f"{row['peak_mib']:9.1f}{row['times_more_memory']:8.1f}×")
    return rows
