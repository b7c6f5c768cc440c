"""Time and memory to open a pack of many videos, for training and for detection.

    python benchmarks/packs.py [--videos N] [--json FILE]

The script makes a pack of 20,000 videos: 18 to 22 snippets × 32 channels of 16 bits each, five segments per video, a
fifth of the videos for validation; once as a folder of .npy files, once as one HDF5 file. Each measurement runs in a
fresh process with one thread, after the libraries are loaded: wall-clock and CPU seconds, and the largest growth of the
resident set. For training, it opens what `rcl train` reads before its first step; for detection, what `rcl detect`
does.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import torch
from measuring import argument_parser, peak_memory, write_json

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.batches import EpochBatches
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.preparation import Preparation
from rcl.detector.config import Config
from rcl.detector.inputs import jobs_of
from rcl.detector.load_config import parse_config
from rcl.training.data import load_training_data

CHANNELS, SEGMENTS, LABELS, SECONDS = 32, 5, 20, 10.0
WINDOW = 8


def make_packs(root: Path, videos: int) -> dict[str, Path]:
    """Write the same pack twice: with features in a folder, and in one file."""
    random = np.random.default_rng(0)
    packs = {"a folder": root / "folder", "one HDF5 file": root / "hdf5"}
    (packs["a folder"] / "features").mkdir(parents=True)
    packs["one HDF5 file"].mkdir()
    annotations = {}
    with h5py.File(packs["one HDF5 file"] / "features.h5", "w") as file:
        for number in range(videos):
            name = f"video-{number:05d}"
            features = random.normal(size=(random.integers(18, 23), CHANNELS)).astype(np.float16)
            np.save(packs["a folder"] / "features" / f"{name}.npy", features)
            file[name] = features
            segments = np.sort(random.uniform(0, SECONDS, (SEGMENTS, 2)), axis=1).round(2)
            labels = tuple(f"action {label}" for label in random.integers(LABELS, size=SEGMENTS))
            subset = "training" if number % 5 else "validation"
            annotations[name] = VideoAnnotation(name, subset, SECONDS, len(features) / SECONDS, segments, labels)
    for pack in packs.values():
        save_annotations(Annotations(annotations), pack / "annotations.json")
    return packs


def configure(pack: Path, **data: Any) -> Config:
    return parse_config({"data": {"root": str(pack), **data}}, where="benchmark")


def train(pack: Path) -> None:
    data = load_training_data(configure(pack))
    EpochBatches(data.training.lengths(), 16, seed=0)


def train_on_windows(pack: Path) -> None:
    load_training_data(configure(pack, window=WINDOW))


def detect(pack: Path) -> None:
    localizer: Any = SimpleNamespace(in_channels=CHANNELS, preparation=Preparation())
    jobs_of(pack, localizer, None, "TC", None)


def annotate(pack: Path) -> None:
    load_annotations(pack / "annotations.json")


OPENED: dict[str, Callable[[Path], None]] = {
    "annotations alone": annotate,
    "for training": train,
    f"for training, windows of {WINDOW}": train_on_windows,
    "for detection": detect,
}


def prepare(what: str, pack: Path, seconds: Any) -> Callable[[], None]:
    torch.set_num_threads(1)

    def run() -> None:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        OPENED[what](pack)
        seconds[:] = time.perf_counter() - begin, time.process_time() - begin_cpu

    return run


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--videos", type=int, default=20_000, metavar="N")
    options = parser.parse_args()
    numbers: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, pack in make_packs(Path(folder), options.videos).items():
            print(f"\n{options.videos:,} videos in {kind}")
            rows = numbers[kind] = {}
            for what in OPENED:
                seconds = multiprocessing.get_context("spawn").Array("d", 2)
                peak = peak_memory(prepare, what, pack, seconds) / 2**20
                wall, cpu = seconds[:]
                rows[what] = {"seconds": wall, "cpu_seconds": cpu, "peak_mib": peak}
                print(f"{what:32}{wall:7.2f} s{cpu:7.2f} s CPU{peak:6.0f} MiB", flush=True)
    write_json(options.json, numbers)


if __name__ == "__main__":
    main()
