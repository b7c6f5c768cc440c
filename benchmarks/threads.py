"""How many threads the network of a recipe should use, on an idle machine and beside other work.

    python benchmarks/threads.py [--configs gtea 50salads] [--rounds 3] [--seconds 0.5] [--json FILE]

Trains, and detects, on made-up features of a recipe's size with 1, 2 and all threads, each in a process of its own with
``OMP_NUM_THREADS`` set. The processes take turns, so that other work on the machine falls on all of them. Each measures
twice: on the machine as it is, and beside one busy process for each core. The table shows milliseconds per step or
video (the median of the rounds), and against one thread in the same round. It ends within two minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from rcl.training.data import load_training_data
from rcl.training.loaders import training_dataset
from rcl.training.recipes import recipe_file

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
    """The mean time of a call, over at least two calls and so many seconds."""
    count, begin = 0, time.perf_counter()
    while count < 2 or time.perf_counter() - begin < seconds:
        run()
        count += 1
    return (time.perf_counter() - begin) / count * 1e3


def works(config_name: str, pack: Path) -> dict[str, Callable[[], Any]]:
    """A training step, and detection in a video."""
    import torch

    config = load_config(recipe_file(config_name), [f"data.root={pack}", "training.batch_size=1"])
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

    localizer = Localizer.from_model(model.eval(), config, data.facts, device=torch.device("cpu"))
    assert data.validation is not None
    prepared = data.validation.read(0)
    return {"train": step, "detect": lambda: localizer.detect_prepared(*prepared, video="video")}


def measure_here(packs: Mapping[str, str], seconds: float) -> list[dict[str, Any]]:
    """Milliseconds of each work of each configuration, alone and beside busy processes, with this process's threads."""
    rows = []
    for config, pack in packs.items():
        for work, run in works(config, Path(pack)).items():
            run()  # to warm up
            rows.append((config, "as it is", work, milliseconds(run, seconds)))
            with busy_machine():
                rows.append((config, "busy", work, milliseconds(run, seconds)))
    return [dict(zip(("config", "machine", "work", "milliseconds"), row, strict=True)) for row in rows]


def measure(packs: Mapping[str, str], threads: int, seconds: float) -> list[dict[str, Any]]:
    """:func:`measure_here` in a new process with so many threads."""
    command = [sys.executable, __file__, "--measure", json.dumps(packs), "--seconds", str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


@contextmanager
def busy_machine() -> Iterator[None]:
    """One busy process for each core."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(usable_cores())]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()


def compare(configs: Sequence[str], *, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """The median of each work with each number of threads, and its ratio to one thread in the same round."""
    counts = sorted({1, min(2, usable_cores()), usable_cores()})
    measured: dict[tuple[str, str, str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        packs = {config: f"{folder}/{config}" for config in configs}
        for config, pack in packs.items():
            make_pack(Path(pack), *SHAPES[config])
        for _ in range(rounds):
            for threads in counts:
                for row in measure(packs, threads, seconds):
                    key = row["config"], row["machine"], row["work"], threads
                    measured.setdefault(key, []).append(row["milliseconds"])
    rows = []
    for (config, machine, work, threads), times in measured.items():
        ratio = statistics.median(a / b for a, b in zip(times, measured[config, machine, work, 1], strict=True))
        row = {"config": config, "machine": machine, "work": work, "threads": threads}
        rows.append({**row, "milliseconds": statistics.median(times), "times_one_thread": ratio})
    return sorted(rows, key=lambda row: (configs.index(row["config"]), row["machine"], row["work"], row["threads"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", choices=SHAPES, default=["gtea", "activitynet_tsn_bmn"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement, at least")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_here(options.measure, options.seconds)))
        return
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{usable_cores()} cores, load average at the start {load:.1f}", flush=True)
    rows = compare(options.configs, rounds=options.rounds, seconds=options.seconds)
    for row in rows:
        print(
            f"{row['config']:22}{row['work']:8}{row['machine']:10}{row['threads']:3} threads"
            f"{row['milliseconds']:10.1f} ms{row['times_one_thread']:7.2f} × one thread"
        )
    if options.json:
        options.json.write_text(json.dumps({"load_average": load, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
