"""An exported detector against the checkpoint: size, time to the first detection, speed, and how equal they are.

    python benchmarks/export.py RUN [--json FILE] [--rounds N]

RUN is the folder of a run, such as that of ``rcl demo``. It is exported to a temporary folder.

Start: a fresh process, from its start to its end, detects in one short file of features: ``rcl detect`` with the
checkpoint and with the export, and the example in docs/examples, which imports nothing of this package. The ways take
turns, and each has the median of its rounds.

Speed: detection in features in memory, with one thread for both, on random features of several lengths. The ways take
turns; each length has the ratio of their medians. PyTorch searches more than 4,096 snippets in chunks.

Equality: the validation videos of the pack of the run: the largest difference of a score at the same rank, and the
share of the detections that have a counterpart with the same label, a score equal to 1e-4 and times equal to 1 ms.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import argument_parser, in_turn, write_json

from rcl.data.detections import Detections
from rcl.detector.checkpoint import find_checkpoint, read_checkpoint
from rcl.detector.exported.detector import ExportedDetector
from rcl.detector.exported.exporting import export, save
from rcl.detector.localizer import Localizer

LENGTHS = (100, 300, 1000, 5000)
EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "detect_with_onnx.py"
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def sizes(checkpoint: Path, graph: Path) -> dict[str, float]:
    """Sizes in MB of the files, and of the libraries that they need."""
    files = {"checkpoint": checkpoint, "model.onnx": graph, "model.json": graph.with_suffix(".json")}
    found = {name: file.stat().st_size for name, file in files.items()}
    found |= {f"library {name}": library(name) for name in ("torch", "onnxruntime")}
    return {name: size / 1e6 for name, size in found.items()}


def library(name: str) -> int:
    """Bytes of an installed package."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return sum(file.stat().st_size for file in Path(spec.origin).parent.rglob("*") if file.is_file())


def starts(checkpoint: Path, graph: Path, features: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Seconds of a fresh process that detects in one file."""

    def command(*arguments: object) -> Any:
        words = [sys.executable, *map(str, arguments)]
        return partial(subprocess.run, words, check=True, capture_output=True, env=ONE_THREAD)

    output = ("--output", folder / "found.json", "--overwrite")
    ways = {
        "checkpoint": command("-m", "rcl.cli", "detect", checkpoint, features, *output),
        "export": command("-m", "rcl.cli", "detect", graph, features, *output),
        "example": command(EXAMPLE, graph, features),
    }
    return {way: statistics.median(seconds) for way, seconds in in_turn(ways, rounds).items()}


def speeds(localizer: Localizer, exported: ExportedDetector, rounds: int) -> list[dict[str, float]]:
    """Milliseconds of detection by the number of snippets."""
    rows = []
    for snippets in LENGTHS:
        features = np.random.default_rng(0).normal(size=(snippets, localizer.in_channels)).astype(np.float32)
        ways = {"checkpoint": partial(localizer.detect, features), "export": partial(exported.detect, features)}
        times = {way: 1000 * statistics.median(seconds) for way, seconds in in_turn(ways, rounds).items()}
        rows.append({"snippets": snippets, **times, "ratio": times["export"] / times["checkpoint"]})
    return rows


def equality(localizer: Localizer, exported: ExportedDetector, pack: Path) -> dict[str, float]:
    """How equal the detections in the files of a pack are."""
    found = [(localizer.detect(file), exported.detect(np.load(file))) for file in sorted(pack.glob("features/*.npy"))]
    return {
        "videos": len(found),
        "largest difference of scores": max(float(np.abs(a.scores - b.scores).max()) for a, b in found),
        "share with a counterpart": float(np.mean(np.concatenate([counterparts(a, b) for a, b in found]))),
    }


def counterparts(one: Detections, other: Detections) -> np.ndarray:
    """Whether each detection of ``one`` is also in ``other``."""
    same = one.label_index[:, None] == other.label_index
    near = np.abs(one.segments_seconds[:, None] - other.segments_seconds).max(axis=2) <= 1e-3
    equal = np.abs(one.scores[:, None] - other.scores) <= 1e-4
    return np.asarray((same & near & equal).any(axis=1))


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("run", type=Path, help="folder of a run, with last.ckpt and pack/")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = find_checkpoint(options.run)
    with tempfile.TemporaryDirectory() as name:
        graph = Path(name) / "model.onnx"
        save(export(read_checkpoint(checkpoint), version=version("rcl-tad")), graph)
        localizer, exported = Localizer.load(checkpoint, device="cpu"), ExportedDetector.load(graph, threads=1)
        pack = options.run / "pack"
        features = min(sorted(pack.glob("features/*.npy")), key=lambda file: file.stat().st_size)
        numbers = {
            "MB": sizes(checkpoint, graph),
            "seconds to the first detections": starts(checkpoint, graph, features, Path(name), options.rounds),
            "ms": speeds(localizer, exported, options.rounds),
            "equality": equality(localizer, exported, pack),
        }
    for title in ("MB", "seconds to the first detections", "equality"):
        print(title)
        for key, number in numbers[title].items():  # type: ignore[attr-defined]
            print(f"  {key:30} {number:10.4g}")
    print("ms of detection, one thread\n  snippets  checkpoint    export   ratio")
    for row in numbers["ms"]:
        print(f"  {row['snippets']:8,.0f} {row['checkpoint']:11.0f} {row['export']:9.0f} {row['ratio']:7.2f}")  # type: ignore[index]
    write_json(options.json, numbers)


if __name__ == "__main__":
    main()
