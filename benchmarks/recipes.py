"""Accuracy of a recipe over several seeds: with and without scale-invariant samples, with and without refinement.

    python benchmarks/recipes.py 50salads PACK --short 8 --output RUNS [--seeds 0 1 2] [--json FILE]

The numbers of the recipes 50salads and gtea in docs/results.md come from this script. For each seed and
variant it runs the commands of a user: ``rcl train`` (last.ckpt, the averaged weights of the last epoch), ``rcl detect
--subset validation`` and ``rcl evaluate``. M = 1 is the same checkpoint with one step: refinement does not change the
training of the rest of the network (a test compares the weights). Finished runs are not repeated; interrupted runs
continue.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

from accuracy import rcl
from measuring import argument_parser, write_json

VARIANTS = {"all samples": [], "no scale-invariant samples": ["sampling.scale_invariant=0"]}
STEPS = (3, 1)


def train(run: Path, config: Path, overrides: list[str]) -> float:
    """Train, and return the seconds; they are stored in the run, so that a finished one is not repeated."""
    clock = run / "seconds"
    if not clock.exists():
        begin = time.perf_counter()
        rcl("train", config, *overrides, "--output", run, "--resume")
        clock.write_text(f"{time.perf_counter() - begin:.1f}\n")
    return float(clock.read_text())


def measure(run: Path, pack: Path, steps: int, short: float) -> dict[str, float]:
    detections, evaluation = run / f"detections-{steps}.json", run / f"evaluation-{steps}.json"
    if not evaluation.exists():
        rcl("detect", run / "last.ckpt", pack, "--subset", "validation", "--steps", steps, "--output", detections)
        rcl("evaluate", detections, pack, "--short", short, "--json", evaluation)
    result = json.loads(evaluation.read_text())
    return {"average_mAP": result["average_mAP"], "short_mAP": result["short_mAP"]}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--short", type=float, required=True, help="longest instance that counts as short, in seconds")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()

    rows: list[dict[str, Any]] = []
    for variant, overrides in VARIANTS.items():
        for seed in options.seeds:
            run = options.output / f"{variant.replace(' ', '-')}-{seed}"
            settings = [f"data.root={options.pack}", f"training.seed={seed}", *overrides]
            seconds = train(run, options.config, settings)
            for steps in STEPS:
                scores = measure(run, options.pack, steps, options.short)
                rows.append({"variant": variant, "seed": seed, "steps": steps, "training_seconds": seconds, **scores})
                values = f"{100 * scores['average_mAP']:5.1f} ({100 * scores['short_mAP']:4.1f})"
                print(f"{variant:28} seed {seed}  M = {steps}  {values}  {seconds:4.0f} s", flush=True)
    means = []
    print(f"\naverage mAP % (up to {options.short:g} s), mean of {len(options.seeds)} seeds")
    for variant in VARIANTS:
        for steps in STEPS:
            group = [row for row in rows if (row["variant"], row["steps"]) == (variant, steps)]
            mean = {key: statistics.mean(row[key] for row in group) for key in ("average_mAP", "short_mAP")}
            means.append({"variant": variant, "steps": steps, **mean})
            print(f"{variant:28} M = {steps}  {100 * mean['average_mAP']:5.1f} ({100 * mean['short_mAP']:4.1f})")
    write_json(options.json, {"rows": rows, "means": means})


if __name__ == "__main__":
    main()
