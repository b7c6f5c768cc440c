"""Throughput, memory and load of the cores while `rcl extract --engine ray` makes features of many short videos.

    python benchmarks/cluster.py [--videos 2000] [--folder FOLDER] [--engine ray] [--json FILE]

Rendered videos of one action each, of which one is damaged, are extracted by one command with a Ray of its own. Every
second it is noted how many are done, how busy all cores of the machine are (so nothing else should run), and what
memory the command and everything that it started take together (PSS, which counts shared pages once). ``--folder``
keeps the videos for the next time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from rcl.video.synthetic.rendering import render_videos

DAMAGED = "figure-007.mp4"
ROWS = 10


class Moment(NamedTuple):
    """A second of the run: since its start, videos done, busy core seconds so far, and bytes of memory."""

    seconds: float
    done: int
    busy_seconds: float
    memory: int


def prepare(folder: Path, count: int) -> None:
    if folder.is_dir() and len([*folder.glob("*.mp4")]) == count:
        return
    begin = time.perf_counter()
    render_videos(folder, count=count, instances=(1, 1))
    (folder / DAMAGED).write_bytes(b"no video" * 1000)
    print(f"rendered {count} videos in {time.perf_counter() - begin:.0f} s")


def busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def memory(process: psutil.Process) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += member.memory_full_info().pss
    return total


def watch(command: list[str], pack: Path) -> tuple[list[Moment], str]:
    begin, before = time.perf_counter(), busy_seconds()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    records, moments = pack / "records", list[Moment]()
    while process.poll() is None:
        done = len([*records.iterdir()]) if records.is_dir() else 0
        moments.append(
            Moment(time.perf_counter() - begin, done, busy_seconds() - before, memory(psutil.Process(process.pid)))
        )
        time.sleep(1)
    assert process.stdout is not None
    return moments, process.stdout.read()


def measure(folder: Path, engine: str) -> dict[str, Any]:
    videos = len([*folder.glob("*.mp4")])
    with tempfile.TemporaryDirectory() as scratch:
        pack = Path(scratch) / "pack"
        command = [sys.executable, "-m", "rcl.cli", "extract", str(folder), "--output", str(pack), "--engine", engine]
        moments, said = watch(command, pack)
    print(said.strip())
    assert f"{videos - 1} of {videos} videos" in said, "all but the damaged one"
    assert DAMAGED in said
    started = next(index for index, moment in enumerate(moments) if moment.done)
    # While there is work for all: from the first video to the last but those in hand at the end.
    steady = [moment for moment in moments[started:] if moment.done < videos - 10]
    cores = psutil.cpu_count() or 1
    print(f"\n{'seconds':>9}{'videos':>9}{'per second':>12}{'cores busy':>12}{'memory':>11}")
    edges = [steady[round(share * (len(steady) - 1) / ROWS)] for share in range(ROWS + 1)]
    for first, last in pairwise(edges):
        span = last.seconds - first.seconds
        rate, busy = (last.done - first.done) / span, (last.busy_seconds - first.busy_seconds) / span / cores
        print(f"{last.seconds:9.0f}{last.done:9}{rate:12.2f}{busy:12.0%}{last.memory / 2**20:7.0f} MiB")
    first, last = steady[0], steady[-1]
    span = last.seconds - first.seconds
    numbers = {
        "engine": engine,
        "videos": videos,
        "seconds": moments[-1].seconds,
        "start_seconds": first.seconds,
        "videos_per_second": (last.done - first.done) / span,
        "busy_share": (last.busy_seconds - first.busy_seconds) / span / cores,
        "peak_mib": max(moment.memory for moment in moments) / 2**20,
    }
    begun = f"{numbers['seconds']:.0f} s, of which {numbers['start_seconds']:.0f} s until the first"
    steadily = f"{numbers['videos_per_second']:.2f} per second, {numbers['busy_share']:.1%} of {cores} cores busy"
    print(f"\n{engine}: {videos} videos in {begun}; then {steadily}; at most {numbers['peak_mib']:.0f} MiB")
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="keep the videos here")
    parser.add_argument("--engine", nargs="+", default=["ray"], choices=["ray", "local"])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "videos"
        prepare(folder, options.videos)
        rows = [measure(folder, engine) for engine in options.engine]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
