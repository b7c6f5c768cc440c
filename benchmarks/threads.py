"""How many threads the network of a recipe should use, on an idle machine and beside other work.

    python benchmarks/threads.py [--configs gtea 50salads] [--rounds 3] [--seconds 5] [--json FILE]

Trains, and detects, on made-up features of a recipe's size with 1, 2 and all threads, each in a process of its own with
``OMP_NUM_THREADS`` set. The processes take turns, so that other work on the machine falls on all of them. Every round
is measured twice: as it is, and beside one busy process for each core. The table shows milliseconds per step or
video (the median of the rounds), and against one thread in the same round.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.batches import collate
from rcl.data.formats.load import save_annotations
from rcl.detector.build import build_criterion, build_model
from rcl.detector.load_config import load_config
from rcl.detector.localizer import Localizer
from rcl.system.device import usable_cores
from rcl.training.data import load_training_data, training_dataset

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SHAPES = {  # snippets, channels, and snippets per second
    "gtea": (1300, 128, 15.0),
    "50salads": (1000, 128, 2.5),
    "activitynet_tsn_bmn": (100, 400, 1.0),
    "activitynet_tsn_rcl": (100, 400, 1.0),
}
VIDEOS = 4


def make_pack(root: Path, snippets: int, channels: int, rate: float) -> None:
    random = np.random.default_rng(0)
    videos = {}
    (root / "features").mkdir(parents=True)
    for number in range(2 * VIDEOS):
        name, seconds = f"video-{number}", snippets / rate
        np.save(root / "features" / f"{name}.npy", random.standard_normal((snippets, channels), dtype=np.float32))
        lengths = random.uniform(0.02, 0.2, 18) * seconds
        starts = random.uniform(0, seconds - lengths)
        labels = tuple(f"action {index % 10}" for index in range(18))
        subset = "training" if number < VIDEOS else "validation"
        segments = np.stack((starts, starts + lengths), axis=1)
        videos[name] = VideoAnnotation(name, subset, seconds, rate, segments, labels)
    save_annotations(Annotations(videos), root / "annotations.json")


def milliseconds(run: Callable[[], Any], seconds: float) -> float:
    """The mean time of a call, over at least two calls and so many seconds, after one to warm up."""
    run()
    count, begin = 0, time.perf_counter()
    while count < 2 or time.perf_counter() - begin < seconds:
        run()
        count += 1
    return (time.perf_counter() - begin) / count * 1e3


def measure_here(config_name: str, pack: Path, seconds: float) -> dict[str, float]:
    """Milliseconds of a training step and of detection in a video, with this process's threads."""
    import torch

    config = load_config(CONFIGS / f"{config_name}.yaml", [f"data.root={pack}", "training.batch_size=1"])
    data = load_training_data(config)
    torch.manual_seed(0)
    model = build_model(config.model, in_channels=data.facts.in_channels, num_labels=len(data.facts.labels))
    criterion = build_criterion(config.loss)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batch = collate([training_dataset(config, data)[0]])

    def step() -> None:
        predictions = model.query(model.encode(batch.features, batch.mask), batch.anchors)
        masks = {"mask": batch.mask, "anchor_mask": batch.anchor_mask}
        losses = criterion(predictions, batch.segments, batch.labels, **masks)
        optimizer.zero_grad()
        torch.stack([*losses.values()]).sum().backward()
        optimizer.step()

    training = milliseconds(step, seconds)
    localizer = Localizer.from_model(model.eval(), config, data.facts, device=torch.device("cpu"))
    assert data.validation is not None
    prepared = data.validation.read(0)
    detection = milliseconds(lambda: localizer.detect_prepared(*prepared, video="video"), seconds)
    return {"train": training, "detect": detection}


def measure(config: str, pack: Path, threads: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", config, str(pack), "--seconds", str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


def spin() -> None:
    while True:
        pass


@contextmanager
def busy_machine() -> Iterator[None]:
    """One busy process for each core."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=spin, daemon=True) for _ in range(usable_cores())]
    for process in others:
        process.start()
    try:
        yield
    finally:
        for process in others:
            process.kill()


def compare(config: str, *, rounds: int, seconds: float) -> list[dict[str, Any]]:
    counts = sorted({1, min(2, usable_cores()), usable_cores()})
    measured: dict[tuple[str, str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_pack(Path(folder), *SHAPES[config])

        def take_turns(machine: str) -> None:
            for threads in counts:
                for work, value in measure(config, Path(folder), threads, seconds).items():
                    measured.setdefault((machine, work, threads), []).append(value)

        for _ in range(rounds):
            take_turns("as it is")
            with busy_machine():
                take_turns("busy")
    rows = []
    for (machine, work, threads), times in measured.items():
        ratio = statistics.median(a / b for a, b in zip(times, measured[machine, work, 1], strict=True))
        row = {"config": config, "machine": machine, "work": work, "threads": threads}
        rows.append({**row, "milliseconds": statistics.median(times), "times_one_thread": ratio})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", choices=SHAPES, default=["gtea", "activitynet_tsn_bmn"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="for each measurement")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        config, pack = options.measure
        print(json.dumps(measure_here(config, Path(pack), options.seconds)))
        return
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{usable_cores()} cores, load average at the start {load:.1f}")
    rows = []
    for config in options.configs:
        for row in compare(config, rounds=options.rounds, seconds=options.seconds):
            print(
                f"{row['config']:22}{row['work']:8}{row['machine']:10}{row['threads']:3} threads"
                f"{row['milliseconds']:10.1f} ms{row['times_one_thread']:7.2f} × one thread",
                flush=True,
            )
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps({"load_average": load, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
