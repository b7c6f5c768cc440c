"""Time and memory of detection in one video by its length: in chunks, and with the grid head.

    python benchmarks/length.py [--json FILE] [--hours H] [--thousands N ...] [--without-grid]

The network of configs/50salads.yaml with new weights (128 channels, 17 labels, M = 3), lattice anchors, soft-NMS; two
threads; from features in memory to detections. Each length runs in a fresh process, whose peak is that by which the
resident set grows beyond the features. New weights move no segment, so small random ones take the place of the zeros
that training starts from. A length should cost at most 2.2 times its half, and no more memory than that but for what is
kept of every anchor and candidate. Beside it the grid head, whose map has all starts and durations up to the longest
action; it runs at lengths where that fits. ``--hours 10`` adds such a video at 15 snippets per second.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from pathlib import Path
from typing import Any

import torch
from measuring import peak_memory
from torch import nn

from rcl.assembly import build_model
from rcl.checkpoints import Facts
from rcl.config import load_config
from rcl.localizer import Localizer
from rcl.segments import Timeline

THREADS, RATE = 2, 15.0
CHANNELS, LABELS, LONGEST = 128, 17, 308
GRID_LIMIT = 4000  # snippets; its map has 308 rows, and 128 channels several times
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "50salads.yaml"


def build_localizer(head: str) -> Localizer:
    torch.manual_seed(0)
    overrides = {
        "grid": ["model.head=grid", "model.steps=1", f"model.longest={LONGEST}", "inference.anchors=grid"],
        "continuous": [],
    }
    config = load_config(CONFIG, overrides[head])
    facts = Facts(tuple(f"action {i}" for i in range(LABELS)), CHANNELS, float(LONGEST), RATE)
    model = build_model(config.model, in_channels=CHANNELS, num_labels=LABELS)
    if head == "continuous":
        for readout in (model.readout, model.refinement.update):
            nn.init.normal_(readout.offsets.weight, std=0.01)
            nn.init.normal_(readout.labels.weight, std=0.05)
    return Localizer.from_model(model, config, facts, device="cpu")


def prepare(head: str, snippets: int, seconds: Any) -> Any:
    torch.set_num_threads(THREADS)
    localizer = build_localizer(head)
    features = torch.randn(CHANNELS, snippets, generator=torch.Generator().manual_seed(0))
    localizer.detect_prepared(features[:, :500], Timeline(RATE), video="first")

    def run() -> None:
        begin = time.perf_counter()
        localizer.detect_prepared(features, Timeline(RATE), video="long")
        seconds.value = time.perf_counter() - begin

    return run


def measure(head: str, snippets: int, before: dict[str, Any] | None) -> dict[str, Any]:
    seconds = multiprocessing.get_context("spawn").Value("d", 0.0)
    peak = peak_memory(prepare, head, snippets, seconds)
    row = {"snippets": snippets, "seconds": seconds.value, "peak_mib": peak / 2**20}
    times = f"{row['seconds'] / before['seconds']:6.2f}×{row['peak_mib'] / before['peak_mib']:8.2f}×" if before else ""
    print(f"{head:12}{snippets:9}{row['seconds']:9.1f} s{row['peak_mib']:9.0f} MiB  {times}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--hours", type=float, help="add a video of so many hours")
    parser.add_argument("--thousands", type=int, nargs="*", default=[10, 20, 40, 80, 160], help="lengths")
    parser.add_argument("--without-grid", action="store_true")
    options = parser.parse_args()
    lengths = [1000 * length for length in options.thousands]
    if options.hours:
        lengths.append(math.ceil(options.hours * 3600 * RATE))
    plan = {"continuous": lengths}
    if not options.without_grid:
        plan["grid"] = [length for length in (1000, 2000, 4000) if length <= GRID_LIMIT]
    print(f"{'head':12}{'snippets':>9}{'time':>11}{'memory':>13}  than the row above")
    results: dict[str, list[dict[str, Any]]] = {}
    for head, sizes in plan.items():
        rows: list[dict[str, Any]] = []
        for snippets in sizes:
            rows.append(measure(head, snippets, rows[-1] if rows else None))
        results[head] = rows
        if options.json:
            options.json.write_text(json.dumps({"threads": THREADS, "heads": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
