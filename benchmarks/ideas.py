"""What each idea of the recipe brings alone: the settings that ``rcl fit`` chooses, with one thing changed.

    python benchmarks/ideas.py PACKS --output RUNS [--seeds 0 1] [--only PACK ...] [--jobs 2]
        [--write docs/notebook/results.md] [--json FILE]

PACKS is a folder of packs. For each pack, the recipe is what ``rcl fit PACK`` chooses before trials and with one
network; it is written to RUNS/PACK/recipe.yaml. A row changes one thing of it. For each row and seed the script runs
the commands of a user: ``rcl train RUNS/PACK/recipe.yaml KEY=VALUE``, ``rcl detect --subset validation`` and ``rcl
evaluate``, at tIoU 0.3 to 0.7 and at 0.5 to 0.95. M = 1 is the checkpoint of the recipe with one step. Rows that change
nothing on a pack are left out there. Finished runs are not repeated and interrupted ones continue.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from accuracy import MEASURES, PACKS, Pack, cell, chosen_packs, detect, in_parallel, of_seeds, rcl, score, table
from measuring import argument_parser, replace_block, write_json

from rcl.data.annotations import Annotations
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations, find_features
from rcl.detector.config import Config
from rcl.training.fit_pack import plan_pack
from rcl.training.fit_result import FitObserver
from rcl.training.fit_videos import Extraction
from rcl.training.plan import FitRun
from rcl.training.recipe import alternatives

RECIPE = "the recipe"


class Idea(NamedTuple):
    """A row: its name, the keys that change, and the steps of detection if it is not all of them."""

    name: str
    keys: tuple[str, ...] = ()
    steps: int | None = None

    @property
    def folder(self) -> str:
        """The folder of the trainings with these keys."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()[:12] if self.keys else "recipe"


class Recordings(NamedTuple):
    """What rows depend on: snippets of the training videos ``(V,)``, and the deviation of all their features."""

    snippets: np.ndarray
    deviation: float

    @classmethod
    def of(cls, training: Annotations, store: FeatureStore) -> Recordings:
        """Those of some training videos."""
        features = [store.read(name) for name in training.videos]
        deviation = float(np.concatenate(features).astype(np.float32).std())
        return cls(np.array([len(own) for own in features]), round(deviation, 4))


def ideas(config: Config, recordings: Recordings) -> list[Idea]:
    """The rows for a pack whose recipe is ``config``."""
    native = ("data.resize=null", "data.resize_method=linear", "data.downsample=1", "inference.shortest=2.0")
    is_native = not config.data.resize and config.data.downsample == 1
    return [
        Idea(RECIPE),
        Idea("M = 1", steps=1),
        Idea("no look-up around ends", ("model.head.ends=0",)),
        *(Idea(one.name, keys_of(one.changes)) for one in alternatives(config.data, recordings.snippets)),
        *([] if is_native else [Idea("features at their own rate", native)]),
        Idea("one scale for all channels", ("data.standardize=false", f"data.scale={recordings.deviation}")),
        *(Idea(f"{steps:,} steps", _steps(config, steps)) for steps in (250, 1000)),
        Idea("random speed, ± 0.3", ("augmentation.speed=0.3",)),
        Idea("noise of 0.3", ("augmentation.noise=0.3",)),
    ]


def keys_of(changes: Mapping[str, Any], prefix: str = "") -> tuple[str, ...]:
    """Changes of sections as ``rcl train`` takes them.

    >>> keys_of({"data": {"resize": None}, "model": {"head": {"points": 24}}})
    ('data.resize=null', 'model.head.points=24')
    """
    found: list[str] = []
    for key, value in changes.items():
        nested = isinstance(value, Mapping)
        found += keys_of(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}={_written(value)}"]
    return tuple(found)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _steps(config: Config, steps: int) -> tuple[str, ...]:
    return (f"training.epoch_steps={max(round(steps / config.training.epochs), 1)}",)


def write_recipe(root: Path, path: Path) -> Config:
    """Write what ``rcl fit`` would train on a pack, and return it."""
    config = plan_pack(root, None, FitRun(path.parent), Extraction(), FitObserver()).config
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{path}: expected the recipe of rcl fit, found another one; use another --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return config


class Run(NamedTuple):
    """A row on a pack with a seed."""

    pack: Pack
    root: Path
    folder: Path
    idea: Idea
    seed: int

    @property
    def training(self) -> Path:
        """Folder of the training; rows of equal keys share it."""
        return self.folder / self.idea.folder / f"seed-{self.seed}"

    @property
    def detections(self) -> Path:
        """The detections of this row."""
        return self.training / f"detections-{self.idea.steps or 'all'}.json"

    def train(self, threads: int | None) -> None:
        """Train, or continue an interrupted training; does nothing for a finished one."""
        if not self._mark.exists():
            keys = (*self.idea.keys, "training.validate_every=1000", f"training.seed={self.seed}")
            recipe = self.folder / "recipe.yaml"
            rcl("train", recipe, *keys, "--output", self.training, "--resume", threads=threads)
            self._mark.touch()

    def measure(self, threads: int | None) -> None:
        """Detect and evaluate."""
        options = ("--steps", self.idea.steps) if self.idea.steps else ()
        detect(self.training / "last.ckpt", self.root, self.detections, *options, threads=threads)
        self.scores()

    def scores(self) -> dict[str, float]:
        """All measures."""
        return score(self.detections, self.root, self.pack.short_seconds)

    @property
    def _mark(self) -> Path:
        return self.training / "trained"


def planned(options: argparse.Namespace, pack: Pack) -> Iterator[Run]:
    """The rows of a pack for all seeds, and its recipe if it was not written yet."""
    root, folder = options.packs / pack.name, options.output / pack.name
    training = load_annotations(find_annotations(root)).subset("training")
    config = write_recipe(root, folder / "recipe.yaml")
    rows = ideas(config, Recordings.of(training, FeatureStore(find_features(root))))
    for seed in options.seeds:
        for idea in rows:
            yield Run(pack, root, folder, idea, seed)


def markdown(runs: list[Run]) -> str:
    """The table of a pack: every row with its difference from the recipe, over seeds that have both."""
    results: dict[str, dict[int, dict[str, float]]] = {}
    for run in runs:
        results.setdefault(run.idea.name, {})[run.seed] = run.scores()
    base, rows = results.get(RECIPE, {}), []
    for name, seeds in results.items():
        gains = [seeds[seed]["average"] - base[seed]["average"] for seed in seeds.keys() & base.keys()]
        change = f"{sum(gains) / len(gains):+.1f}".replace("-", "− ").replace("+", "+ ") if gains else "–"
        values = [cell(of_seeds(seeds.values(), measure)) for measure in MEASURES]
        rows.append([name, values[0], "" if name == RECIPE else change, *values[1:]])
    head = [*MEASURES.values()]
    return table(["", head[0], "change", *head[1:]], rows)


def main() -> None:
    parser = argument_parser(__doc__)
    names = [pack.name for pack in PACKS]
    parser.add_argument("packs", type=Path, help="folder of the packs")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PACK", help="packs to run")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time; one thread each if several")
    parser.add_argument("--write", type=Path, metavar="DOC.md", help="write the tables between the markers there")
    options = parser.parse_args()
    options.packs, options.output = options.packs.resolve(), options.output.resolve()

    threads = 1 if options.jobs > 1 else None
    runs = [run for pack in chosen_packs(options.only) for run in planned(options, pack)]
    distinct = list({run.training: run for run in runs}.values())
    in_parallel(partial(Run.train, threads=threads), distinct, options.jobs)
    in_parallel(partial(Run.measure, threads=threads), runs, options.jobs)

    results = {}
    for pack in chosen_packs(options.only):
        own = [run for run in runs if run.pack == pack]
        text = markdown(own)
        print(f"\n{pack.name}\n\n{text}")
        if options.write:
            replace_block(options.write, f"<!-- ideas, {pack.name} -->", "<!-- end -->", text)
        results[pack.name] = [{"idea": run.idea.name, "seed": run.seed, **run.scores()} for run in own]
    write_json(options.json, results)


if __name__ == "__main__":
    main()
