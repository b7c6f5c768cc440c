"""Figure 1 of the paper for any sampler: overlap of training segments with short, medium and long actions.

    python benchmarks/segments.py CONFIG PACK [key=value ...] [--epochs 1] [--figure FILE.svg] [--json FILE]

Every training segment belongs to the ground truth with which it overlaps most. For four groups of ground truths by
length, of equal size, the script prints the number of segments per ground truth above a tIoU, and draws the histogram.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from measuring import argument_parser, write_json

from rcl.data.batches import EpochBatches
from rcl.data.segments import length
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.models.targets import assign
from rcl.training.data import load_training_data
from rcl.training.loaders import training_dataset

BINS = np.linspace(0, 1, 21)
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
GROUPS = 4


class Overlaps(NamedTuple):
    """Overlap of training segments with their ground truths.

    Args:
        tiou: ``(K,)`` of each segment with its ground truth.
        length_seconds: ``(K,)``, length of that ground truth.
        lengths_seconds: ``(N,)``, lengths of all ground truths.
    """

    tiou: np.ndarray
    length_seconds: np.ndarray
    lengths_seconds: np.ndarray

    def groups(self) -> list[tuple[float, float]]:
        """Limits of the lengths of groups with equal numbers of ground truths."""
        edges = np.quantile(self.lengths_seconds, np.linspace(0, 1, GROUPS + 1))
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def group(self, group: tuple[float, float]) -> tuple[np.ndarray, int]:
        """tIoU of the segments of a group, and its number of ground truths."""
        low, high = group
        first = low == self.lengths_seconds.min()
        counted, members = (
            (x > low) & (x <= high) | (first & (x == low)) for x in (self.lengths_seconds, self.length_seconds)
        )
        return self.tiou[members], int(counted.sum())


def overlaps(config: Config, *, epochs: int = 1) -> Overlaps:
    """Sample the training segments of a configuration for all videos, and compare them with the ground truth."""
    dataset = training_dataset(config, load_training_data(config))
    batches = EpochBatches(np.ones(len(dataset)), 1, seed=config.training.seed)
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for (ticket,) in batches:
            sample, segments = dataset[ticket]
            targets = assign(segments[None], sample.segments[None], sample.labels[None], 0)
            near = targets.tiou[0] > 0  # (K,)
            rate = sample.timeline.snippets_per_second
            columns.append(
                (
                    targets.tiou[0][near].numpy(),
                    (length(targets.segments[0])[near] / rate).numpy(),
                    (length(sample.segments) / rate).numpy(),
                )
            )
    return Overlaps(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def positives(found: Overlaps) -> list[dict[str, Any]]:
    """Limits, number of ground truths, and segments per ground truth above each threshold, for each group."""
    rows = []
    for limits in found.groups():
        tiou, count = found.group(limits)
        above = {f"{threshold:.1f}": float((tiou > threshold).sum() / max(count, 1)) for threshold in THRESHOLDS}
        rows.append({"seconds": limits, "ground_truths": count, "per_ground_truth": above})
    return rows


def figure(samplers: dict[str, Overlaps]) -> Figure:
    """A row of histograms per sampler, a column per group of lengths: segments per ground truth by tIoU."""
    drawing = Figure(figsize=(2.6 * GROUPS, 1.9 * len(samplers) + 0.5), layout="constrained")
    axes = drawing.subplots(len(samplers), GROUPS, sharex=True, sharey=True, squeeze=False)
    for row, (name, found) in zip(axes, samplers.items(), strict=True):
        for axis, limits in zip(row, found.groups(), strict=True):
            tiou, count = found.group(limits)
            per_truth = np.histogram(tiou, BINS)[0] / max(count, 1)
            axis.bar(BINS[:-1], per_truth, width=np.diff(BINS), align="edge", color="#4477aa")
            axis.set_yscale("log")
            for threshold in THRESHOLDS[1:3]:
                axis.axvline(threshold, color="#cc3311", linewidth=0.8)
                above = float((tiou > threshold).sum() / max(count, 1))
                axis.text(threshold + 0.01, 0.97, f"{above:.1f}", color="#cc3311", fontsize=8, va="top",
                          transform=axis.get_xaxis_transform())  # fmt: skip
        row[0].set_ylabel(f"{name}\nsegments per action", fontsize=9)
    for axis, (low, high) in zip(axes[0], next(iter(samplers.values())).groups(), strict=True):
        axis.set_title(f"actions of {low:.1f} to {high:.1f} s", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("tIoU", fontsize=9)
    return drawing


def save(drawing: Figure, path: Path) -> None:
    """Write a figure; the same numbers give the same bytes."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "rcl"}):
        drawing.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--epochs", type=int, default=1, help="draws of every video (default 1)")
    parser.add_argument("--figure", type=Path, help="draw the histograms to this .svg or .png")
    options = parser.parse_args()
    config = load_config(options.config, [f"data.root={options.pack}", *options.overrides])
    found = overlaps(config, epochs=options.epochs)
    rows = positives(found)
    print("segments per action above a tIoU\n")
    print(f"{'length':>16}{'actions':>9}" + "".join(f"{'> ' + str(threshold):>9}" for threshold in THRESHOLDS))
    for row in rows:
        low, high = row["seconds"]
        values = "".join(f"{value:9.1f}" for value in row["per_ground_truth"].values())
        print(f"{low:7.1f} to {high:5.1f}{row['ground_truths']:9}{values}")
    if options.figure:
        save(figure({"": found}), options.figure)
    write_json(options.json, {"groups": rows})


if __name__ == "__main__":
    main()
