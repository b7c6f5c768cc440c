"""What ``rcl fit PACK`` reaches on public data in a quarter of an hour, without any setting.

    python benchmarks/fit.py PACKS --output RUNS [--only PACK ...] [--seeds 0 1 2] [--budget 15m] [--jobs 2]
        [--resampled] [--write docs/results.md] [--json FILE]

PACKS is a folder of packs. For each pack and seed it runs the commands of a user: ``rcl fit PACK --output RUN --seed
SEED --budget 15m``, then ``rcl evaluate RUN/detections.json PACK`` at tIoU 0.3 to 0.7 and at 0.5 to 0.95, and the same
for ``rcl detect RUN/last.ckpt PACK`` with ``--steps 1`` and with ``--rates 0.7,1,1.4``. ``--resampled`` adds detection
in copies of the validation videos whose features have a quarter, half, twice and four times the rate: means over exact
intervals, or linear between centres.

A budget is time on the clock. With several jobs, each has one thread, and a machine should have a core for each.
Finished runs are not repeated and interrupted ones continue. The tables show everything in RUNS that is finished, so
packs can be run one after the other.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accuracy import MEASURES, PACKS, Pack, cell, chosen_packs, detect, in_parallel, of_seeds, rcl, score, table
from measuring import argument_parser, replace_block, write_json

from rcl.data.annotations import Annotations
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.pack import find_annotations, find_features
from rcl.data.resizing import resample
from rcl.detector.load_config import load_config

AS_IT_IS = "as rcl fit leaves it"
WAYS = {"M = 1": ("--steps", 1), "three rates": ("--rates", "0.7,1,1.4")}
FACTORS = {"1/4": 0.25, "1/2": 0.5, "2": 2.0, "4": 4.0}
"""Copies of the features, by their number of snippets for each one of the original."""


class Fit(NamedTuple):
    """One run of ``rcl fit``, and its measurements."""

    pack: Pack
    root: Path
    seed: int
    folder: Path

    @property
    def clock(self) -> Path:
        """The file that a finished run has: its budget, and the seconds that it took."""
        return self.folder / "benchmark.json"

    def run(self, budget: str, threads: int | None) -> None:
        """Fit, or continue an interrupted fit; does nothing for a finished one."""
        if self.clock.exists():
            self._check_budget(budget)
            return
        options = ("--output", self.folder, "--seed", self.seed, "--budget", budget, "--resume")
        interrupted, begin = self.folder.exists(), time.perf_counter()
        rcl("fit", self.root, *options, threads=threads, log=self.folder.with_suffix(".log"))
        seconds = None if interrupted else round(time.perf_counter() - begin, 1)  # a part would say nothing
        write_json(self.clock, {"budget": budget, "seconds": seconds})

    def _check_budget(self, budget: str) -> None:
        had = json.loads(self.clock.read_text(encoding="utf-8"))["budget"]
        if had != budget:
            raise SystemExit(f"{self.folder}: expected a run of {budget}, found one of {had}; use another --output")

    def measure(self, resampled: bool, threads: int | None) -> None:
        """Detect in all ways that were not tried yet, and evaluate."""
        checkpoint = self.folder / "last.ckpt"
        self._score("detections")
        for way, options in WAYS.items():
            detect(checkpoint, self.root, self._detections(way), *options, threads=threads)
            self._score(way)
        for name, factor in FACTORS.items() if resampled else ():
            if not self._detections(name).exists():
                with tempfile.TemporaryDirectory() as folder:
                    copy = resampled_pack(self.root, Path(folder), factor)
                    detect(checkpoint, copy, self._detections(name), threads=threads)
            self._score(name)

    def scores(self) -> dict[str, dict[str, float]]:
        """Way of detection to measures, as far as they were measured."""
        ways = {AS_IT_IS: "detections", **{name: name for name in (*WAYS, *FACTORS)}}
        return {way: self._score(name) for way, name in ways.items() if self._detections(name).exists()}

    def facts(self) -> dict[str, float]:
        """Minutes of the fit, and the number of its networks."""
        seconds = json.loads(self.clock.read_text(encoding="utf-8"))["seconds"]
        networks = load_config(self.folder / "config.yaml").training.members
        return {"networks": float(networks), **({"minutes": seconds / 60} if seconds else {})}

    def _detections(self, name: str) -> Path:
        safe = name.replace("/", "-").replace(" = ", "").replace(" ", "-")
        return self.folder / ("detections.json" if name == "detections" else f"detections-{safe}.json")

    def _score(self, name: str) -> dict[str, float]:
        return score(self._detections(name), self.root, self.pack.short_seconds)


def resampled_pack(root: Path, folder: Path, factor: float) -> Path:
    """A pack of the validation videos of ``root``, with ``factor`` snippets for each one of theirs.

    Returns:
        ``folder``.
    """
    store, videos = FeatureStore(find_features(root)), {}
    truth = load_annotations(find_annotations(root)).subset("validation")
    for name, video in truth.videos.items():
        features = torch.from_numpy(store.read(name)).float()  # (T, C)
        snippets = max(round(len(features) * factor), 1)
        path = folder / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, resample(features.T, snippets).T.numpy())
        rate = video.snippets_per_second
        videos[name] = replace(video, snippets_per_second=rate and rate * snippets / len(features))
    save_annotations(Annotations(videos), folder / "annotations.json")
    return folder


def planned(options: argparse.Namespace, packs: list[Pack]) -> Iterator[Fit]:
    """A run for each pack and seed."""
    for seed in options.seeds:
        for pack in packs:
            yield Fit(pack, options.packs / pack.name, seed, options.output / pack.name / f"seed-{seed}")


# -- tables ------------------------------------------------------------------------------------------------------

Scores = Mapping[str, list[dict[str, dict[str, float]]]]
"""Name of a pack to the scores of every seed, by way of detection."""


def main_table(scores: Scores, facts: Mapping[str, list[dict[str, float]]]) -> str:
    """A row for each pack: what the fit took, and all measures of its detections."""
    rows = []
    for pack in (pack for pack in PACKS if scores.get(pack.name)):
        own = [ways[AS_IT_IS] for ways in scores[pack.name]]
        took = [cell(of_seeds(facts[pack.name], name)) for name in ("networks", "minutes")]
        rows.append([f"{pack.name} (≤ {pack.short_seconds:g} s)", *took, *(cell(of_seeds(own, m)) for m in MEASURES)])
    return table(["", "networks", "minutes", *MEASURES.values()], rows)


def ways_table(scores: Scores, ways: tuple[str, ...]) -> str:
    """A row for each pack, and a column for each way of detection: average mAP, in brackets on short actions."""
    rows = []
    for pack in (pack for pack in PACKS if scores.get(pack.name)):
        cells = []
        for way in ways:
            own = [seed[way] for seed in scores[pack.name] if way in seed]
            average, short = (cell(of_seeds(own, measure)) for measure in ("average", "short"))
            cells.append(f"{average} ({short})" if own else "–")
        rows.append([pack.name, *cells])
    return table(["", *ways], rows)


def blocks(scores: Scores, facts: Mapping[str, list[dict[str, float]]]) -> dict[str, str]:
    """The tables, by the marker of their place in a document."""
    quarter, half, *more = FACTORS
    return {
        "rcl fit": main_table(scores, facts),
        "rcl fit, ways": ways_table(scores, (AS_IT_IS, *WAYS)),
        "rcl fit, rates": ways_table(scores, (quarter, half, AS_IT_IS, *more)),
    }


def main() -> None:
    parser = argument_parser(__doc__)
    names = [pack.name for pack in PACKS]
    parser.add_argument("packs", type=Path, help="folder of the packs")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PACK", help="packs to run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget", default="15m", help="of each fit (default 15m)")
    parser.add_argument("--jobs", type=int, default=2, help="fits at a time; one thread each if several (default 2)")
    parser.add_argument("--resampled", action="store_true", help="also detect in features of other rates")
    parser.add_argument("--write", type=Path, metavar="DOC.md", help="write the tables between the markers there")
    options = parser.parse_args()
    options.packs, options.output = options.packs.resolve(), options.output.resolve()

    threads = 1 if options.jobs > 1 else None
    fits = list(planned(options, chosen_packs(options.only)))
    in_parallel(partial(_complete, options, threads), fits, options.jobs)

    scores: dict[str, Any] = {pack.name: [] for pack in PACKS}
    facts: dict[str, Any] = {pack.name: [] for pack in PACKS}
    for fit in (fit for fit in planned(options, [*PACKS]) if fit.clock.exists()):
        scores[fit.pack.name].append(fit.scores())
        facts[fit.pack.name].append(fit.facts())
    for name, text in blocks(scores, facts).items():
        print(f"\n{name}\n\n{text}")
        if options.write:
            replace_block(options.write, f"<!-- {name} -->", "<!-- end -->", text)
    write_json(options.json, {"scores": scores, "facts": facts})


def _complete(options: argparse.Namespace, threads: int | None, fit: Fit) -> None:
    fit.run(options.budget, threads)
    fit.measure(options.resampled, threads)


if __name__ == "__main__":
    main()
