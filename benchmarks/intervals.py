"""How often bootstrap intervals over videos contain the true value, by the number of videos, on made data.

    python benchmarks/intervals.py [--json FILE]

Two detectors are made on 2,000 videos; their numbers there are the true ones. Samples of a few of these videos are
compared as ``rcl compare`` does, with an interval of 95 % for the average mAP of the first detector and for the
difference of the two. The average precision of a class of few instances is higher than on many videos, so the interval
of the first detector is also compared with the mean of all samples of its size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from measuring import argument_parser, write_json

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.evaluation import leaderboard
from rcl.evaluation.bootstrap import Interval

VIDEOS, CLASSES, INSTANCES, GUESSES = 2_000, 8, 10, 4  # guesses: detections for each instance
NOISE = (1.2, 1.6)  # of the ends that the two detectors find, in tenths of an instance
SAMPLES, DRAWS, SIZES = 200, 400, (10, 20, 40)
THRESHOLDS = np.linspace(0.3, 0.7, 5)


def made(random: np.random.Generator) -> tuple[Annotations, dict[str, Detections]]:
    """Instances, and two detectors; some videos are hard for both."""
    names = [f"v{number}" for number in range(VIDEOS)]
    classes = tuple(f"c{number}" for number in range(CLASSES))
    starts = 20.0 * np.arange(INSTANCES)
    segments = np.stack([starts, starts + 10], axis=1)  # (N, 2)
    labels = random.integers(CLASSES, size=(VIDEOS, INSTANCES))
    truth = {
        name: VideoAnnotation(name, "", 20.0 * INSTANCES, None, segments, tuple(classes[label] for label in own))
        for name, own in zip(names, labels, strict=True)
    }
    hard = random.gamma(2, 0.5, size=VIDEOS)[:, None, None]  # (V, 1, 1)
    common = random.normal(size=(VIDEOS, INSTANCES, 1, 2))
    shape, index = (VIDEOS, INSTANCES, GUESSES), np.repeat(np.arange(VIDEOS), INSTANCES * GUESSES)
    found = {}
    for name, noise in zip("AB", NOISE, strict=True):
        error = noise * hard[..., None] * 0.7 * (common + random.normal(size=(*shape, 2)))
        error *= 1 + np.arange(GUESSES)[:, None]  # (V, N, K, 2): each guess is worse than the one before
        ends = np.sort(segments[None, :, None] + error, axis=-1).reshape(-1, 2)
        wrong = random.random(shape) < 0.15 * hard
        own = np.where(wrong, random.integers(CLASSES, size=shape), labels[..., None])
        logits = 2 - np.abs(error).sum(axis=-1) / 3 - np.arange(GUESSES) + random.normal(size=shape)
        found[name] = Detections(tuple(names), index, ends, classes, own.ravel(), 1 / (1 + np.exp(-logits.ravel())))
    return Annotations(truth), found


def coverage(annotations: Annotations, found: dict[str, Detections], size: int, random: np.random.Generator) -> Any:
    """The shares of samples whose intervals contain the values of all videos, and the mean of the samples."""
    whole = leaderboard(found, annotations, tiou_thresholds=THRESHOLDS, draws=1)
    averages, differences = [], []
    for sample in range(SAMPLES):
        names = set(random.choice([*annotations.videos], size, replace=False).tolist())
        part = Annotations({name: annotations.videos[name] for name in annotations.videos if name in names})
        others = annotations.videos.keys() - names
        own = {name: detections.without(others) for name, detections in found.items()}
        board = leaderboard(own, part, tiou_thresholds=THRESHOLDS, draws=DRAWS, seed=sample)
        averages.append(board.entries["A"].measured.average_map)
        differences.append(board.differences["B"].average_map)

    def share(intervals: list[Interval], truth: float) -> float:
        return float(np.mean([low <= truth <= high for _, low, high in intervals]))

    return {
        "videos": size,
        "difference": share(differences, whole.differences["B"].average_map.value),
        "average_mAP": share(averages, whole.entries["A"].measured.average_map.value),
        "average_mAP_of_samples": share(averages, float(np.mean([one.value for one in averages]))),
    }


def main() -> None:
    """Print the shares, and write them."""
    options = argument_parser(__doc__).parse_args()
    random = np.random.default_rng(0)
    annotations, found = made(random)
    rows = []
    print("videos  difference  average mAP  of as many videos")
    for size in SIZES:
        rows.append(coverage(annotations, found, size, random))
        print(
            "{videos:6d}  {difference:10.1%}  {average_mAP:11.1%}  {average_mAP_of_samples:17.1%}".format(**rows[-1]),
            flush=True,
        )
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
