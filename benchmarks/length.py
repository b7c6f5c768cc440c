"""Time and memory of detection by the length of a video: in chunks, and with the grid head.

    python benchmarks/length.py [--json FILE] [--hours H] [--thousands N ...] [--without-grid]
    python benchmarks/length.py --stored --channels 2048 [--folder FOLDER] …

The network of the recipe 50salads with new weights (128 channels, 17 labels, M = 3), lattice anchors, soft-NMS, from
features in memory to detections, or with ``--stored`` from a ``.npy`` file of float16. Each length runs in a fresh
process. ``resident`` is the largest growth of its resident set beyond libraries and features in memory, mapped files
included; ``anonymous`` excludes mapped files and is sampled every few milliseconds. ``CPU`` is the time of all threads,
which depends less on other load than the wall-clock time. New weights move no segment, so small random ones replace the
zeros at which training starts. Doubling the length should cost at most 2.2 times the time, and no more memory.

The grid head is measured for comparison. Its map has all starts and durations up to the longest action, so it runs at
short lengths only. ``--hours 10`` adds a video of that length at 15 snippets per second.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import argument_parser, resident, write_json
from torch import nn

from rcl.data.segments import Timeline
from rcl.detector.build import build_model
from rcl.detector.checkpoint import Facts
from rcl.detector.load_config import load_config
from rcl.detector.localizer import Localizer
from rcl.training.recipes import recipe_file

RATE = 15.0
LABELS, LONGEST = 17, 308
GRID_LENGTHS = (1000, 2000, 4000)  # snippets; the map has 308 rows, and 128 channels several times
CONFIG = recipe_file("50salads")


def build_localizer(head: str, channels: int) -> Localizer:
    torch.manual_seed(0)
    overrides = {
        "grid": ["model.head=grid", "model.steps=1", f"model.longest={LONGEST}", "inference.anchors=grid"],
        "continuous": [],
    }
    config = load_config(CONFIG, overrides[head])
    facts = Facts(tuple(f"action {i}" for i in range(LABELS)), channels, float(LONGEST), RATE)
    model = build_model(config.model, in_channels=channels, num_labels=LABELS)
    if head == "continuous":
        for readout in (model.readout, model.refinement.update):
            nn.init.normal_(readout.offsets.weight, std=0.01)
            nn.init.normal_(readout.labels.weight, std=0.05)
    return Localizer.from_model(model, config, facts, device="cpu")


def write_features(path: Path, snippets: int, channels: int) -> None:
    draw = np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(snippets, channels))
    for first in range(0, snippets, 10_000):
        part = file[first : first + 10_000]
        part[:] = draw.standard_normal(part.shape, dtype=np.float32)
    file.flush()


def watch_anonymous(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(0.004):
        peak.append(max(peak.pop(), resident("RssAnon")))


def detect(sender: Connection, head: str, threads: int, snippets: int, channels: int, path: Path | None) -> None:
    torch.set_num_threads(threads)
    localizer = build_localizer(head, channels)
    draw = torch.Generator().manual_seed(0)
    localizer.detect_prepared(torch.randn(channels, 500, generator=draw), Timeline(RATE), video="first")
    features = None if path else torch.randn(channels, snippets, generator=draw)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before, anonymous, stop = resident("VmRSS"), resident("RssAnon"), threading.Event()
    peak = [anonymous]
    watcher = threading.Thread(target=watch_anonymous, args=(stop, peak))
    watcher.start()
    begin, processor = time.perf_counter(), time.process_time()
    prepared, timeline = localizer.prepare(path, RATE) if path else (features, Timeline(RATE))
    localizer.detect_prepared(prepared, timeline, video="long")
    seconds, processor = time.perf_counter() - begin, time.process_time() - processor
    stop.set()
    watcher.join()
    sender.send(
        {
            "snippets": snippets,
            "seconds": seconds,
            "cpu_seconds": processor,
            "resident_mib": (resident("VmHWM") - before) / 2**20,
            "anonymous_mib": (peak[0] - anonymous) / 2**20,
        }
    )


def measure(head: str, options: argparse.Namespace, snippets: int, before: dict[str, Any] | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "long.npy" if options.stored and head == "continuous" else None
        if path:
            write_features(path, snippets, options.channels)
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        arguments = (sender, head, options.threads, snippets, options.channels, path)
        process = context.Process(target=detect, args=arguments)
        process.start()
        sender.close()
        row: dict[str, Any] = receiver.recv()
        process.join()
    print(f"{head:11}{snippets:9}{row['seconds']:9.1f} s{row['cpu_seconds']:9.1f} s", end="")
    print(f"{row['resident_mib']:9.0f} MiB{row['anonymous_mib']:9.0f} MiB", end="")
    if before:
        print("".join(f"{row[key] / before[key]:8.2f}×" for key in ("seconds", "cpu_seconds", "anonymous_mib")), end="")
    print(flush=True)
    return row


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--hours", type=float, help="add a video of this many hours")
    parser.add_argument(
        "--thousands", type=int, nargs="*", default=[10, 20, 40, 80, 160], help="lengths in thousand snippets"
    )
    parser.add_argument("--without-grid", action="store_true")
    parser.add_argument("--channels", type=int, default=128, help="channels of the features")
    parser.add_argument("--stored", action="store_true", help="read the features from a file")
    parser.add_argument("--folder", type=Path, help="folder for that file (default: the system's temporary folder)")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    lengths = [1000 * length for length in options.thousands]
    if options.hours:
        lengths.append(math.ceil(options.hours * 3600 * RATE))
    plan = {"continuous": lengths}
    if not options.without_grid:
        plan["grid"] = [*GRID_LENGTHS]
    print(f"{'head':11}{'snippets':>9}{'time':>11}{'CPU':>11}{'resident':>13}{'anonymous':>13}  than the row above")
    results: dict[str, list[dict[str, Any]]] = {}
    for head, sizes in plan.items():
        rows = results.setdefault(head, [])
        for snippets in sizes:
            rows.append(measure(head, options, snippets, rows[-1] if rows else None))
            facts = {"threads": options.threads, "channels": options.channels, "stored": options.stored}
            write_json(options.json, {**facts, "heads": results})


if __name__ == "__main__":
    main()
