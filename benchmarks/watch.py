"""How soon and how well `rcl watch` says what happens, what it costs, and how much memory it takes for how long.

    python benchmarks/watch.py DEMO [--latencies 1,2,5,10,unlimited] [--streams 2,4,8] [--hours 2] [--json FILE]

DEMO is the folder of `rcl demo`. Its held-out videos, joined to one recording of five minutes, are served over HTTP in
real time, and one `rcl watch` for every latency bound watches them, all at the same time:

- *latency*: from the end of an action (of the ground truth) to the moment at which its event was announced, by the
  clock on the wall: median and 95 %;
- *F1* at tIoU 0.5, of the events as they were announced, and as they were in the end, after corrections;
- the share of one core that the process took.

Then so many streams at once in one process: the cores that it takes, and whether frames were dropped. At last, two
hours of the same recording, read from a file as fast as possible, and the resident set of the process over that time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from live_stream import chunks_of, join_videos, serve_in_real_time
from measuring import argument_parser, write_json

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.evaluation.events import evaluate_events
from rcl.evaluation.matching import GroupedSegments, match

CAMERA, TIOU = "camera", 0.5
STREAMS_SECONDS = 90  # of each of several streams


class Watched(NamedTuple):
    """``lines``: of the file of events; ``cpu_seconds``, ``wall_seconds`` and ``peak_bytes`` of the process."""

    lines: list[dict[str, Any]]
    cpu_seconds: float
    wall_seconds: float
    resident: list[tuple[float, int]]
    said: str


def watch(run: Path, sources: Sequence[str], folder: Path, *options: str) -> Watched:
    """Run ``rcl watch`` until its sources end."""
    events = folder / "events.jsonl"
    command = [sys.executable, "-m", "rcl.cli", "watch", str(run), *sources, "--output", str(events), *options]
    begin, cpu, resident = time.monotonic(), 0.0, list[tuple[float, int]]()
    with (folder / "said.txt").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        own = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                times = own.cpu_times()
                cpu = times.user + times.system
                resident.append((time.monotonic() - begin, own.memory_info().rss))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.5)
    wall = time.monotonic() - begin
    text = (folder / "said.txt").read_text()
    if process.returncode:
        raise SystemExit(f"rcl watch ended with {process.returncode}:\n{text}")
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    return Watched(lines, cpu, wall, resident, text)


# -- events ------------------------------------------------------------------------------------------------------


def as_announced(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every event in the form in which it was announced."""
    return [line for line in lines if line["kind"] == "announced"]


def as_corrected(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every event in its last form, without those that were withdrawn."""
    events = dict[str, dict[str, Any]]()
    for line in lines:
        if line["kind"] in ("announced", "corrected"):
            events[line["id"]] = line
        elif line["kind"] == "withdrawn":
            del events[line["id"]]
    return [*events.values()]


def detections(events: Sequence[dict[str, Any]], labels: Sequence[str]) -> Detections:
    """The events as detections of one video."""
    segments = np.array([[event["start"], event["end"]] for event in events], dtype=np.float64).reshape(-1, 2)
    index = np.array([labels.index(event["label"]) for event in events], dtype=np.int64)
    scores = np.array([event["score"] for event in events], dtype=np.float64)
    return Detections((CAMERA,), np.zeros(len(events), dtype=np.int64), segments, tuple(labels), index, scores)


def latencies(lines: Sequence[dict[str, Any]], truth: Annotations, began: float) -> np.ndarray:
    """Seconds from the end of an action to the announcement of the event that found it, of those that were found."""
    announced = as_announced(lines)
    found = detections(announced, labels_of(truth))
    (video,) = truth.videos.values()
    known = np.array([labels_of(truth).index(label) for label in video.labels])
    (taken,) = match(
        GroupedSegments(found.segments_seconds, found.label_index),
        found.scores,
        GroupedSegments(video.segments_seconds, known),
        [TIOU],
    )
    said = np.array([datetime.fromisoformat(line["at"].replace("Z", "+00:00")).timestamp() for line in announced])
    hit = taken >= 0
    return said[hit] - began - video.segments_seconds[taken[hit], 1]


def f1(events: Sequence[dict[str, Any]], truth: Annotations) -> float:
    """The F1 of all events together, in per cent."""
    return 100 * float(evaluate_events(detections(events, labels_of(truth)), truth, tiou=TIOU).micro.f1)


def labels_of(truth: Annotations) -> tuple[str, ...]:
    """All labels of the ground truth."""
    return tuple(sorted({label for video in truth.videos.values() for label in video.labels}))


def joined_truth(truth: Annotations, starts: Sequence[float]) -> Annotations:
    """The ground truth of videos that were joined, whose ``starts`` these are, as one video."""
    videos = list(truth.videos.values())
    segments = [video.segments_seconds + start for video, start in zip(videos, starts, strict=True)]
    labels = tuple(label for video in videos for label in video.labels)
    return Annotations(
        {CAMERA: VideoAnnotation(CAMERA, "validation", None, None, np.concatenate(segments), labels)}, source="joined"
    )


# -- the questions -----------------------------------------------------------------------------------------------


def by_latency(run: Path, recording: Path, truth: Annotations, bounds: Sequence[str]) -> list[dict[str, Any]]:
    """How soon and how well events are announced, one ``rcl watch`` for each bound, all at the same time."""
    chunks = chunks_of(recording)

    def watched_with(bound: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder, serve_in_real_time(chunks, connections=1) as served:
            options = ("--latency", bound, "--no-reconnect")
            watched = watch(run, [f"{CAMERA}={served.address}"], Path(folder), *options)
            return latency_row(bound, watched, truth, served.began[0])

    with ThreadPoolExecutor(max(len(bounds), 1)) as pool:
        rows = [*pool.map(watched_with, bounds)]
    print(f"\n{'--latency':>10}{'median s':>10}{'95 % s':>9}{'F1 then':>9}{'F1 end':>9}", end="")
    print(f"{'corrected':>11}{'withdrawn':>11}{'core %':>8}")
    for row in rows:
        print(f"{row['latency']:>10}{row['median_seconds']:10.1f}{row['seconds_95']:9.1f}", end="")
        print(f"{row['f1_as_announced']:9.1f}{row['f1_as_corrected']:9.1f}", end="")
        print(f"{row['corrections']:11d}{row['withdrawals']:11d}{100 * row['core_share']:8.0f}")
    return rows


def latency_row(bound: str, watched: Watched, truth: Annotations, began: float) -> dict[str, Any]:
    """What one bound leads to."""
    lines, late = watched.lines, latencies(watched.lines, truth, began)
    return {
        "latency": bound,
        "median_seconds": float(np.median(late)),
        "seconds_95": float(np.percentile(late, 95)),
        "f1_as_announced": f1(as_announced(lines), truth),
        "f1_as_corrected": f1(as_corrected(lines), truth),
        "corrections": sum(line["kind"] == "corrected" for line in lines),
        "withdrawals": sum(line["kind"] == "withdrawn" for line in lines),
        "core_share": watched.cpu_seconds / watched.wall_seconds,
    }


def by_streams(run: Path, recording: Path, counts: Sequence[int]) -> list[dict[str, Any]]:
    """Several streams in one process: what it takes, and whether it keeps up."""
    chunks = [chunk for chunk in chunks_of(recording) if chunk.due_seconds <= STREAMS_SECONDS]
    rows = list[dict[str, Any]]()
    print(f"\n{'streams':>10}{'cores':>8}{'MiB':>8}  last line")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, serve_in_real_time(chunks, connections=count) as served:
            sources = [f"{CAMERA}{number}={served.address}" for number in range(count)]
            watched = watch(run, sources, Path(folder), "--latency", "5s", "--no-reconnect")
        rows.append(
            {
                "streams": count,
                "cores": watched.cpu_seconds / watched.wall_seconds,
                "peak_mib": max(size for _, size in watched.resident) / 2**20,
                "said": watched.said.splitlines()[-3:],
            }
        )
        print(f"{count:10d}{rows[-1]['cores']:8.2f}{rows[-1]['peak_mib']:8.0f}  {rows[-1]['said']}", flush=True)
    return rows


def by_hours(run: Path, videos: Sequence[Path], hours: float) -> dict[str, Any]:
    """The resident set while hours of video are watched from a file, as fast as possible."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "long.ts"
        join_videos(videos, recording, least_seconds=3600 * hours)
        watched = watch(run, [f"{CAMERA}={recording}"], Path(folder), "--latency", "5s", "--idle", "2s")
    size = np.array([size for _, size in watched.resident]) / 2**20
    twelfths = [round(float(part.max()), 1) for part in np.array_split(size, 12)]
    print(
        f"\n{hours:g} hours in {watched.wall_seconds:.0f} s. Largest resident set of each twelfth, in MiB: {twelfths}"
    )
    return {"hours": hours, "wall_seconds": watched.wall_seconds, "peak_mib_of_twelfths": twelfths}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("demo", type=Path, metavar="DEMO", help="folder of rcl demo")
    parser.add_argument("--latencies", default="1s,2s,5s,10s,unlimited")
    parser.add_argument("--streams", default="2,4,8")
    parser.add_argument("--hours", type=float, default=2.0)
    arguments: argparse.Namespace = parser.parse_args()
    run = arguments.demo / "run"
    truth = load_annotations(arguments.demo / "labels.csv").subset("validation")
    videos = [arguments.demo / "videos" / f"{name}.mp4" for name in truth.videos]
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "joined.ts"
        joined = joined_truth(truth, join_videos(videos, recording))
        numbers = {
            "by_latency": by_latency(run, recording, joined, [b for b in arguments.latencies.split(",") if b]),
            "by_streams": by_streams(run, recording, [int(n) for n in arguments.streams.split(",") if n]),
            "by_hours": by_hours(run, videos, arguments.hours) if arguments.hours else None,
        }
    write_json(arguments.json, numbers)


if __name__ == "__main__":
    main()
