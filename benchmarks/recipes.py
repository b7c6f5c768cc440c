"""Train a recipe with several seeds, with and without scale-invariant samples; evaluate with and without refinement.

    python benchmarks/recipes.py configs/50salads.yaml PACK --short 8 --output RUNS [--seeds 0 1 2] [--json FILE]

Every number in README.md's table of real data comes from this script. Per seed and variant it runs the commands that a
user would: ``rcl train`` (last.ckpt, the averaged weights of the last epoch), ``rcl detect --subset validation`` and
``rcl evaluate``. M = 1 is the same checkpoint asked for one step: refinement leaves the rest of the network as it would
be without (``tests/test_training.py`` checks it weight for weight). Runs that are finished are not repeated; a run that
was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VARIANTS = {"all samples": [], "no scale-invariant samples": ["sampling.scale_invariant=0"]}
STEPS = (3, 1)


def rcl(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "rcl.cli", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def train(run: Path, config: Path, overrides: list[str]) -> float:
    """Seconds of the training; they are kept beside the run, for when it is finished already."""
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--short", type=float, required=True, help="limit of a short instance, seconds")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
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
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "means": means}, indent=2) + "\n")


if __name__ == "__main__":
    main()
