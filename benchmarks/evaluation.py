"""Time of evaluation with half a million detections, against a plain loop in the style of the official program.

    python benchmarks/evaluation.py [--json FILE]

The data are random, in the shape of the ActivityNet validation set. The loop takes the steps of the official program
for mAP, one detection after the other, but on NumPy arrays that are grouped beforehand. The official program works on
pandas tables and is slower, and ours also computes AR@AN, so the ratio is a lower bound. The loop runs on a few whole
classes, and its time is scaled by the number of detections. Every time is the best of three runs.
"""

from __future__ import annotations

import resource

import numpy as np
from measuring import argument_parser, best_seconds, write_json

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.evaluation import evaluate

VIDEOS, CLASSES, GROUND_TRUTHS, DETECTIONS = 4_728, 200, 7_654, 500_000
THRESHOLDS = np.linspace(0.5, 0.95, 10)
VIDEO_SECONDS = 200.0
ROUNDS = 3

REPORT = """\
{detections:,} detections, {classes} classes, {videos:,} videos, {thresholds} thresholds
ours, mAP and AR@AN             {seconds_map_and_recall:8.2f} s
ours, with short instances too  {seconds_map_recall_and_short:8.2f} s
loop, mAP of {loop_detections:6,} of them    {loop_seconds:8.2f} s
loop, mAP, scaled to all        {loop_seconds_scaled_to_all:8.2f} s
ratio                           {ratio:8.1f}   (loop for mAP only / ours for mAP and AR@AN)
largest difference in AP        {largest_ap_difference:8.1e}
peak memory                     {peak_memory_gib:8.2f} GiB"""


def random_annotations(random: np.random.Generator) -> Annotations:
    """Random instances, at least one in each video, all of one class."""
    label = random.permutation(VIDEOS) % CLASSES  # (VIDEOS,)
    video = np.sort(np.concatenate((np.arange(VIDEOS), random.integers(0, VIDEOS, GROUND_TRUTHS - VIDEOS))))
    segments = np.sort(random.uniform(0, VIDEO_SECONDS, (GROUND_TRUTHS, 2)), axis=1)
    return Annotations(
        {
            f"video{i}": VideoAnnotation(
                name=f"video{i}",
                subset="validation",
                duration_seconds=VIDEO_SECONDS,
                snippets_per_second=None,
                segments_seconds=segments[video == i],
                labels=(f"class{label[i]}",) * int((video == i).sum()),
            )
            for i in range(VIDEOS)
        }
    )


def random_detections(random: np.random.Generator, annotations: Annotations) -> Detections:
    """Random detections: half are moved copies of a ground truth of their video, half have any place and class."""
    videos = tuple(annotations.videos)
    truth = np.concatenate([v.segments_seconds for v in annotations.videos.values()])  # (N, 2)
    truth_video = np.repeat(np.arange(VIDEOS), [len(v.labels) for v in annotations.videos.values()])
    truth_label = np.array([int(n[5:]) for v in annotations.videos.values() for n in v.labels])

    source = random.integers(0, len(truth), DETECTIONS)
    length = (truth[source, 1] - truth[source, 0])[:, None]
    moved = truth[source] + random.normal(0, 0.15, (DETECTIONS, 2)) * length
    elsewhere = random.uniform(0, VIDEO_SECONDS, (DETECTIONS, 2))
    copied = random.uniform(size=DETECTIONS) < 0.5
    return Detections(
        videos=videos,
        video_index=truth_video[source],
        segments_seconds=np.sort(np.where(copied[:, None], moved, elsewhere), axis=1),
        labels=tuple(f"class{i}" for i in range(CLASSES)),
        label_index=np.where(copied, truth_label[source], random.integers(0, CLASSES, DETECTIONS)),
        scores=random.uniform(size=DETECTIONS),
    )


def loop_ap(detections: Detections, annotations: Annotations, label: str) -> np.ndarray:
    """AP of one class at every threshold, computed one detection after the other."""
    truth = {
        name: v.segments_seconds[[n == label for n in v.labels]]
        for name, v in annotations.videos.items()
        if label in v.labels
    }
    taken = {name: np.zeros((len(THRESHOLDS), len(s)), dtype=bool) for name, s in truth.items()}
    rows = np.flatnonzero(detections.label_index == detections.labels.index(label))
    rows = rows[np.argsort(-detections.scores[rows], kind="stable")]
    hit = np.zeros((len(THRESHOLDS), len(rows)))
    for k, row in enumerate(rows):
        name = detections.videos[detections.video_index[row]]
        if name not in truth:
            continue
        (start, end), other = detections.segments_seconds[row], truth[name]
        common = (np.minimum(end, other[:, 1]) - np.maximum(start, other[:, 0])).clip(0)
        tiou = common / (other[:, 1] - other[:, 0] + end - start - common)
        for t, threshold in enumerate(THRESHOLDS):
            for n in np.argsort(-tiou, kind="stable"):
                if tiou[n] < threshold:
                    break
                if not taken[name][t, n]:
                    taken[name][t, n] = hit[t, k] = True
                    break
    right = hit.cumsum(axis=1)
    recall = np.pad(right / sum(map(len, truth.values())), ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    precision = np.pad(right / np.arange(1, len(rows) + 1), ((0, 0), (1, 1)))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return (np.diff(recall, axis=1) * precision[:, 1:]).sum(axis=1)


def measure(seed: int, sampled_classes: int) -> dict[str, float]:
    """The numbers that the script prints."""
    random = np.random.default_rng(seed)
    annotations = random_annotations(random)
    detections = random_detections(random, annotations)

    ours = evaluate(detections, annotations, tiou_thresholds=THRESHOLDS)
    our_seconds = best_seconds(lambda: evaluate(detections, annotations, tiou_thresholds=THRESHOLDS), ROUNDS)
    short_seconds = best_seconds(
        lambda: evaluate(detections, annotations, tiou_thresholds=THRESHOLDS, short_seconds=20.0), ROUNDS
    )

    sample = ours.labels[:sampled_classes]
    loop = np.stack([loop_ap(detections, annotations, label) for label in sample], axis=1)
    loop_seconds = best_seconds(lambda: [loop_ap(detections, annotations, label) for label in sample], ROUNDS)
    looped = int(np.isin(detections.label_index, [detections.labels.index(label) for label in sample]).sum())
    loop_all = loop_seconds * DETECTIONS / looped
    return {
        "detections": DETECTIONS,
        "classes": CLASSES,
        "videos": VIDEOS,
        "thresholds": len(THRESHOLDS),
        "seconds_map_and_recall": our_seconds,
        "seconds_map_recall_and_short": short_seconds,
        "loop_detections": looped,
        "loop_seconds": loop_seconds,
        "loop_seconds_scaled_to_all": loop_all,
        "ratio": loop_all / our_seconds,
        "largest_ap_difference": float(np.abs(loop - ours.ap[:, :sampled_classes]).max()),
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampled-classes", type=int, default=10, help="classes that the loop evaluates")
    options = parser.parse_args()
    numbers = measure(options.seed, options.sampled_classes)
    print(REPORT.format(**numbers))
    write_json(options.json, numbers)


if __name__ == "__main__":
    main()
