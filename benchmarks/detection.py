"""Time of detection by the length of a video, of refinement and of rates, and peak memory of training.

    python benchmarks/detection.py [--json FILE] [--rounds N] [--no-training]

Detection: the network of the recipe 50salads with new weights, 128 channels, 17 labels, lattice anchors, soft-NMS,
two threads, from features in memory to detections. The cost depends on the weights in one way: how many anchors are
refined. In a trained detector few segments score above ``inference.refine_above`` (6 to 9 % on the validation videos of
GTEA), while new weights score all segments alike. So the threshold is set to the score that a share of 9 % reaches.

Each length is compared with the shortest and shows how the cost grows. At 1,000 snippets, ways of detection take turns
and are compared with M = 1 at one rate: M = 3, M = 3 that refines every anchor, and M = 3 at three rates.

Training: a fresh process trains that configuration for two epochs on a made-up pack of ten videos of 1,600 snippets (50
Salads has up to 1,655), and reports the peak of its resident set, libraries included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import argument_parser, in_turn, write_json

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import save_annotations
from rcl.detector.build import build_model
from rcl.detector.checkpoint import Facts
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.detector.localizer import Localizer
from rcl.training.recipes import recipe_file

THREADS = 2
CHANNELS, LABELS, LONGEST = 128, 17, 308.0  # as in 50 Salads, whose longest action has 308 snippets
REFINED = 0.09  # share of the anchors
RATES = (0.7, 1.0, 1.4)
CONFIG = recipe_file("50salads")


def build_localizer(config: Config) -> Localizer:
    torch.manual_seed(0)
    facts = Facts(tuple(f"action {i}" for i in range(LABELS)), CHANNELS, LONGEST, 2.5)
    model = build_model(config.model, in_channels=CHANNELS, num_labels=LABELS)
    localizer = Localizer.from_model(model, config, facts, device="cpu")
    search, features = localizer.search, localizer.prepare(make_features(1000))[0]
    with torch.inference_mode():
        first = search.query(search.encode(features[:, :]), search.anchors(1000).segments, steps=1)
    best = search.decoder.scores(first, first.segments[0]).amax(dim=1)  # (K,)
    search.decoder = replace(search.decoder, refine_above=float(best.quantile(1 - REFINED)))
    return localizer


def make_features(snippets: int) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=2.0, size=(snippets, CHANNELS)).astype(np.float32)


def compare_ways(localizer: Localizer, snippets: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of the ways of detection, and their ratio to M = 1 in the same round."""
    search, prepared = localizer.search, localizer.prepare(make_features(snippets))
    usual = search.decoder

    def refining_all() -> None:
        search.decoder = replace(usual, refine_above=0.0)
        localizer.detect_prepared(*prepared, video="video")
        search.decoder = usual

    ways = {
        "M = 1": lambda: localizer.detect_prepared(*prepared, video="video", steps=1),
        "M = 3": lambda: localizer.detect_prepared(*prepared, video="video"),
        "M = 3, every anchor": refining_all,
        "M = 3, three rates": lambda: localizer.detect_prepared(*prepared, video="video", rates=RATES),
    }
    seconds = in_turn(ways, rounds)
    results = {}
    for way, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, seconds["M = 1"], strict=True))
        results[way] = {"milliseconds": 1e3 * statistics.median(times), "times_m1": ratio}
        print(f"{snippets:6} snippets, {way:22}{results[way]['milliseconds']:7.1f} ms {ratio:5.2f} × M = 1", flush=True)
    return results


def detection_seconds(localizer: Localizer, snippets: int, rounds: int) -> float:
    features = make_features(snippets)
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        localizer.detect(features)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def make_pack(root: Path, *, videos: int = 10, snippets: int = 1600) -> None:
    random = np.random.default_rng(0)
    (root / "features").mkdir(parents=True)
    annotated = {}
    for name in (f"video-{number}" for number in range(videos)):
        np.save(root / "features" / f"{name}.npy", random.normal(size=(snippets, CHANNELS)).astype(np.float32))
        start = np.sort(random.uniform(0, 600, 20))  # seconds; 50 Salads has 18 actions per video
        annotated[name] = VideoAnnotation(
            name,
            "training",
            duration_seconds=snippets / 2.5,
            snippets_per_second=2.5,
            segments_seconds=np.stack((start, start + random.uniform(2, 39, 20)), axis=1),
            labels=tuple(f"action {i % LABELS}" for i in range(20)),
        )
    save_annotations(Annotations(annotated), root / "annotations.json")


def train_in_this_process(folder: str) -> None:
    from rcl.training.run import train

    overrides = [f"data.root={folder}/pack", "data.validation_subset=null", "training.epochs=2"]
    train(load_config(CONFIG, overrides), Path(folder) / "run")
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def training_peak() -> int:
    """Bytes."""
    with tempfile.TemporaryDirectory() as folder:
        make_pack(Path(folder) / "pack")
        command = [sys.executable, __file__, "--train-in", folder]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(result.stdout.splitlines()[-1])


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the timing (default 5)")
    parser.add_argument("--no-training", action="store_true", help="leave out the memory of training")
    parser.add_argument("--train-in", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    if options.train_in:
        train_in_this_process(options.train_in)
        return

    localizer = build_localizer(load_config(CONFIG))
    results: dict[str, Any] = {"threads": THREADS, "detection": {}}
    shortest = None
    for snippets in (500, 1000, 2000, 4000):
        seconds = detection_seconds(localizer, snippets, options.rounds)
        shortest = shortest or seconds
        anchors = len(localizer.search.anchors(snippets).segments)
        results["detection"][str(snippets)] = {"seconds": seconds, "ratio": seconds / shortest, "anchors": anchors}
        print(f"{snippets:6} snippets, {anchors:6} anchors: {1e3 * seconds:7.1f} ms  {seconds / shortest:4.1f}×")
    results["ways"] = compare_ways(localizer, 1000, options.rounds)
    if not options.no_training:
        results["training_peak_gib"] = training_peak() / 2**30
        print(f"training, peak memory: {results['training_peak_gib']:.2f} GiB")
    write_json(options.json, results)


if __name__ == "__main__":
    main()
