"""What a learning curve of half of the labels forecasts for all of them, against what then happens.

    python benchmarks/learning_curve.py PACKS --output RUNS [--only PACK ...] [--seeds 0 1 2] [--shares 0.25 0.5]

PACKS is a folder of packs. ``rcl.fit`` trains on half of the training videos of a pack. The learning curve of this run
has further trainings on parts of these labels, as ``rcl learning-curve RUN --seeds 1`` makes them, and forecasts the
average mAP with the labels of all training videos. Then ``rcl.fit`` trains on all of them. The validation videos are
those of the pack. A seed chooses the videos, their order and the weights.

RUNS may be the folder of ``partial_labels.py``, which has the same trainings on half of the videos and on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accuracy import table
from measuring import argument_parser, write_json
from partial_labels import PACKS, measure, variants

from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations
from rcl.data.reviewed_time import reviewed_seconds
from rcl.training.learning_curve import SHARES, learning_curve

HALF, ALL = "half of the videos", "everything"


def forecast(pack: Path, folder: Path, seed: int, shares: Sequence[float]) -> dict[str, Any]:
    """What is forecast for all labels, and what then happens; trainings that are finished are not repeated."""
    ways = {way: labels for way, (_, labels) in variants(pack, folder, seed).items() if way in (HALF, ALL)}
    runs = {way: folder / way.replace(" ", "-") for way in ways}
    found = {way: measure(pack, labels, runs[way]) for way, labels in ways.items()}
    curve = learning_curve(runs[HALF], output=folder / "curve", shares=shares, seeds=1)
    minutes = reviewed_seconds(load_annotations(find_annotations(pack)).subset("training")) / 60
    forecast = curve.forecast(minutes - curve.minutes)
    return {
        "minutes": [point.minutes for point in curve.points] + [minutes],
        "average_map": [point.average_map for point in curve.points] + [found[ALL]],
        "forecast": forecast.average_map,
        "gain": forecast.gain,
        "plus_minus": forecast.plus_minus,
        "error": forecast.average_map - found[ALL],
    }


def row(name: str, own: dict[str, Any]) -> list[str]:
    """A row of the table."""
    measured = [
        f"{100 * value:.1f} ({minutes:.1f})" for minutes, value in zip(own["minutes"], own["average_map"], strict=True)
    ]
    *parts, half, everything = measured
    predicted = f"{100 * own['forecast']:.1f}"
    gain = f"{100 * own['gain']:+.1f} ± {100 * own['plus_minus']:.1f}"
    return [name, ", ".join(parts), half, gain, predicted, everything, f"{100 * own['error']:+.1f}"]


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("packs", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", nargs="+", default=PACKS, help="packs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of half of the labels")
    options = parser.parse_args()
    numbers = dict[str, dict[int, dict[str, Any]]]()
    for name in options.only:
        for seed in options.seeds:
            folder = options.output / name / str(seed)
            numbers.setdefault(name, {})[seed] = forecast(options.packs / name, folder, seed, options.shares)
    head = ["pack, seed", "parts: mAP (minutes)", "half", "gain", "forecast of all", "all", "error"]
    print(table(head, [row(f"{name}, {seed}", own) for name, seeds in numbers.items() for seed, own in seeds.items()]))
    errors = [abs(own["error"]) for seeds in numbers.values() for own in seeds.values()]
    print(f"mean |error| {100 * sum(errors) / len(errors):.1f} points, largest {100 * max(errors):.1f}")
    write_json(options.json, numbers)


if __name__ == "__main__":
    main()
