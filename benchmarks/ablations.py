"""Tables 3 to 6 and Figures 1 and 2 of the paper, with our own numbers on the two real packs.

    python benchmarks/ablations.py PACKS --output RUNS [--seeds 0 1] [--only components ...] [--jobs 2] [--write DOC.md]

PACKS is a folder with the packs ``50salads-mid-fold1`` and ``gtea-fold1``. A row of a table is a recipe of RCL
with some keys changed. For each seed it runs the commands of a user: ``rcl train``, ``rcl detect --subset validation``
and ``rcl evaluate``. Finished runs are not repeated, interrupted runs continue, and equal runs of several rows run
once. A row that differs from another one only in the number of steps uses its checkpoint with ``--steps 1``: refinement
does not change the training of the rest of the network (a test compares the weights).

Parameters and FLOPs are those of one video with all its anchors, counted by torch's FLOP counter. It does not know
weighted sums of table rows, so this script gives their cost: 2 operations per weight and channel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accuracy import rcl, spread
from measuring import argument_parser, replace_block, write_json
from segments import THRESHOLDS, figure, overlaps, positives, save
from torch.utils.flop_counter import FlopCounterMode

from rcl.detector.build import build_model, regular_anchors
from rcl.detector.load_config import load_config
from rcl.training.data import load_training_data
from rcl.training.recipes import recipe_file

ROOT = Path(__file__).resolve().parents[1]


class Pack(NamedTuple):
    """A data set, its recipe, and the longest action that counts as short."""

    name: str
    recipe: str
    short_seconds: float


class Row(NamedTuple):
    """A variant: its name, the keys that its training changes, the steps of detection, and its only pack, if any."""

    name: str
    overrides: tuple[str, ...]
    steps: int | None = None
    pack: str | None = None

    @property
    def described(self) -> tuple[str, ...]:
        """The keys of the network for detection."""
        return (*self.overrides, f"model.steps={self.steps}") if self.steps else self.overrides


PACKS = (Pack("50salads-mid-fold1", "50salads", 8.0), Pack("gtea-fold1", "gtea", 1.5))

RESIZED = ("data.resize=100", "inference.shortest=0.5", "training.epochs=40")
CELLS = ("inference.anchors=grid", "model.longest=30", "sampling.regular=10000")  # all durations up to 30 %
GRID = (
    *RESIZED,
    *CELLS,
    "sampling.scale_invariant=0",
    "model.head=grid",
    "model.channels=256",
    "model.map_channels=64",
    "model.steps=1",
    "training.epochs=60",  # it learns slowly
)
RRM = RESIZED
ON_GRID = (*RESIZED, *CELLS, "sampling.scale_invariant=0", "model.steps=1")
PAIRS = (
    *RESIZED,
    "inference.anchors=pairs",
    "model.longest=30",
    "model.conditioned=false",
    "loss.offsets=0",
    "model.steps=1",
    "model.encoder.boundaries=true",
    "inference.boundary_power=0.5",
    "inference.boundary_peaks=true",
)
ANCHORS = (*RESIZED, "model.head=anchors", "model.steps=1")
POINTS = (*RESIZED, "model.head=points", "model.steps=1")
QUERIES = (*RESIZED, "model.head=queries", "training.learning_rate=0.0005")
NOISE = ("augmentation.noise=0.45",)
ENCODERS = {
    "temporal": (),
    "BMN": ("model.encoder={name: bmn}",),
    "G-TAD": ("model.encoder={name: gtad}",),
}


def finer(snippets: int) -> tuple[str, ...]:
    """A longer input, and as large a share of its anchors for soft-NMS."""
    return f"data.resize={snippets}", f"inference.candidates={4000 * snippets**2 // 100**2}"


def finer_grid(snippets: int) -> tuple[str, ...]:
    """The grid of a longer input, with durations up to the same share of it."""
    return (*GRID, *finer(snippets), f"model.longest={snippets * 30 // 100}")


TABLES: dict[str, list[Row]] = {
    "components": [
        Row(f"{name}: {part}", (*encoder, *overrides), steps)
        for name, encoder in ENCODERS.items()
        for part, overrides, steps in (("grid", GRID, None), ("CAR", RRM, 1), ("CAR + RRM", RRM, None))
    ]
    + [
        # BMN's encoder has no dropout and sees seven snippets. Only the recipe of 50 Salads adds noise.
        Row(f"BMN, {name}: {part}", (*ENCODERS["BMN"], *changed, *overrides), steps, pack="gtea-fold1")
        for name, changed in (("noise", NOISE), ("noise, wide look-up", (*NOISE, "model.context=1.0")))
        for part, overrides, steps in (("grid", GRID, None), ("CAR", RRM, 1), ("CAR + RRM", RRM, None))
    ],
    "continuous": [
        Row("grid, input 100, output 100", GRID),
        Row("grid, input 200, output 200", finer_grid(200)),
        Row("grid, input 300, output 300", finer_grid(300)),
        Row("grid, input 100, output 300", (*GRID, "model.map_finer=3", "inference.candidates=36000")),
        Row("CAR without offsets, input 100", (*RESIZED, "loss.offsets=0", "model.steps=1")),
        Row("CAR with offsets, input 100", RRM, 1),
        Row("CAR with offsets, input 300", (*RRM, *finer(300), "model.steps=1")),
    ],
    "samples": [
        Row("regular grid", ON_GRID),
        Row("+ uniform", (*ON_GRID, "sampling.jittered=10000")),
        Row("+ scale-invariant", (*ON_GRID, "sampling.jittered=10000", "sampling.scale_invariant=24")),
        Row("regular grid, scale-invariant loss", (*ON_GRID, "loss.scale_invariant=true")),
        Row("lattice", (*RESIZED, "sampling.scale_invariant=0", "model.steps=1")),
        Row("lattice + scale-invariant", RRM, 1),
    ],
    "refinement": [
        Row("input 100, off", RRM, 1),
        Row("input 100, on (M = 3)", RRM),
        Row("whole videos, off", (), 1),
        Row("whole videos, on (M = 3)", ()),
    ],
    "representations": [
        Row("bottom-up pairs (eq. 1), input 100", PAIRS),
        Row("multi-scale anchors (eq. 2), input 100", ANCHORS),
        Row("points (eq. 3), input 100", POINTS),
        Row("grid, input 100", GRID),
        Row("action queries, input 100", QUERIES),
        Row("continuous (eq. 4), input 100", RRM, 1),
        Row("multi-scale anchors (eq. 2), input 300", (*ANCHORS, *finer(300))),
        Row("points (eq. 3), input 300", (*POINTS, *finer(300))),
        Row("grid, input 300", finer_grid(300)),
        Row("continuous (eq. 4), input 300", (*RRM, *finer(300), "model.steps=1")),
    ],
}
SAMPLERS = {
    "regular grid": ON_GRID,
    "grid + uniform + scale-invariant": (*ON_GRID, "sampling.jittered=10000", "sampling.scale_invariant=24"),
    "lattice": (*RESIZED, "sampling.scale_invariant=0"),
    "lattice + scale-invariant": RESIZED,
}


def folder_name(overrides: tuple[str, ...]) -> str:
    """The folder of the runs with these keys."""
    return hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:12] if overrides else "recipe"


class Run(NamedTuple):
    """One training of a row."""

    pack: Pack
    root: Path
    overrides: tuple[str, ...]
    seed: int
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether the training is complete."""
        return (self.folder / "trained").exists()

    def train(self) -> None:
        """Train, or continue an interrupted training; does nothing for a finished one."""
        if not self.finished:
            keys = (f"data.root={self.root}", "training.validate_every=1000", f"training.seed={self.seed}")
            rcl("train", self.pack.recipe, *keys, *self.overrides, "--output", self.folder, "--resume", threads=1)
            (self.folder / "trained").touch()

    def measure(self, steps: int | None) -> dict[str, Any]:
        """The evaluation of the last checkpoint with ``steps`` steps of refinement; ``None`` for all."""
        name = f"{steps or 'all'}"
        detections, evaluation = self.folder / f"detections-{name}.json", self.folder / f"evaluation-{name}.json"
        if not evaluation.exists():
            options = ("--steps", steps) if steps else ()
            checkpoint = self.folder / "last.ckpt"
            places = ("--subset", "validation", "--output", detections)
            rcl("detect", checkpoint, self.root, *places, *options, threads=1)
            short = self.pack.short_seconds
            rcl("evaluate", detections, self.root, "--short", short, "--json", evaluation, threads=1)
        return json.loads(evaluation.read_text())


def costs(pack: Pack, root: Path, overrides: tuple[str, ...]) -> dict[str, float]:
    """Parameters, anchors and FLOPs of a network for one video of median length."""
    config = load_config(recipe_file(pack.recipe), [f"data.root={root}", *overrides])
    data = load_training_data(config)
    model = build_model(config.model, in_channels=data.facts.in_channels, num_labels=len(data.facts.labels)).eval()
    videos = data.training
    snippets = int(statistics.median(videos.snippets(i) for i in range(len(videos))))
    anchors = regular_anchors(config.model, config.inference, longest=data.facts.longest)(snippets).segments
    ops = torch.ops.aten
    sums = {ops._embedding_bag: _sums_of_rows, ops._embedding_bag_forward_only: _sums_of_rows}
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=sums) as counter:
        model(
            torch.zeros(1, data.facts.in_channels, snippets), torch.ones(1, snippets, dtype=torch.bool), anchors[None]
        )
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "anchors": len(anchors),
        "gflops": counter.get_total_flops() / 1e9,
    }


def _sums_of_rows(table: tuple[int, ...], rows: tuple[int, ...], *_: Any, **__: Any) -> int:
    return 2 * prod(rows) * table[1]


def runs(options: argparse.Namespace) -> Iterator[Run]:
    """The trainings of the chosen tables, without repetitions."""
    rows = [row for name in options.only for row in TABLES[name]]
    wanted = dict.fromkeys((row.overrides, pack) for row in rows for pack in PACKS if row.pack in (None, pack.name))
    every = [(*one, seed) for seed in options.seeds for one in wanted]
    for overrides, pack, seed in sorted(every, key=lambda one: _cost(one[0])):  # long trainings last
        folder = options.output / pack.name / folder_name(overrides) / f"seed-{seed}"
        yield Run(pack, options.packs / pack.name, overrides, seed, folder)


def _cost(overrides: tuple[str, ...]) -> int:
    """A rough order of the costs: long inputs cost more, and grids grow with their square."""
    is_long = "data.resize=300" in overrides or "data.resize=200" in overrides
    return is_long + (is_long and "model.head=grid" in overrides)


def result(row: Row, pack: Pack, options: argparse.Namespace, trained: list[Run]) -> dict[str, Any]:
    """The measures of a row on a pack for every seed, and its costs."""
    mine = [run for run in trained if run.overrides == row.overrides and run.pack == pack]
    evaluations = [run.measure(row.steps) for run in mine]
    values = {
        "average_mAP": [100 * e["average_mAP"] for e in evaluations],
        "mAP@0.5": [100 * e["mAP"]["0.50"] for e in evaluations],
        "mAP@0.7": [100 * e["mAP"]["0.70"] for e in evaluations],
        "short_mAP": [100 * e["short_mAP"] for e in evaluations],
    }
    return {
        "row": row.name,
        "pack": pack.name,
        "seeds": values,
        **costs(pack, options.packs / pack.name, row.described),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of one pack in Markdown."""
    lines = [
        "| | mAP@0.5 | mAP@0.7 | average mAP | short | anchors | parameters | GFLOPs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seeds = row["seeds"]
        cells = [
            f"{statistics.mean(seeds['mAP@0.5']):.1f}",
            f"{statistics.mean(seeds['mAP@0.7']):.1f}",
            f"**{statistics.mean(seeds['average_mAP']):.1f}** ± {spread(seeds['average_mAP']):.1f}",
            f"{statistics.mean(seeds['short_mAP']):.1f} ± {spread(seeds['short_mAP']):.1f}",
            f"{row['anchors']:,}",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['gflops']:.2f}",
        ]
        count = len(seeds["average_mAP"])
        name = row["row"] + (" (one seed)" if count == 1 else "")
        lines.append(" | ".join([f"| {name}", *cells]) + " |")
    return "\n".join(lines)


def commands(names: list[str]) -> str:
    """The keys of every row, which follow ``rcl train CONFIG data.root=PACK training.seed=SEED``."""
    lines = []
    for name in names:
        lines.append(f"\n# {name}")
        for row in TABLES[name]:
            keys = " ".join(f"'{key}'" if " " in key else key for key in row.overrides) or "(the recipe as it is)"
            lines.append(f"{row.name}: {keys}" + (f"   # rcl detect --steps {row.steps}" if row.steps else ""))
    return "```text" + "\n".join(lines) + "\n```"


def sampler_table(options: argparse.Namespace, pack: Pack, picture: Path | None) -> str:
    """Figure 1: segments per ground truth above a tIoU, by the length of the ground truth."""
    drawn = {
        name: overlaps(load_config(recipe_file(pack.recipe), [f"data.root={options.packs / pack.name}", *overrides]))
        for name, overrides in SAMPLERS.items()
    }
    if picture:
        save(figure(drawn), picture)
    columns = " | ".join(f"> {threshold}" for threshold in THRESHOLDS)
    lines = [f"| sampler | actions of | {columns} |", "|---|---|" + "---|" * len(THRESHOLDS)]
    for name, found in drawn.items():
        for group in positives(found):
            low, high = group["seconds"]
            values = " | ".join(f"{value:.1f}" for value in group["per_ground_truth"].values())
            lines.append(f"| {name} | {low:.1f} to {high:.1f} s | {values} |")
    return "\n".join(lines)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("packs", type=Path, help="folder of the two packs")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="tables to fill")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one thread each (default 2)")
    parser.add_argument("--finished", action="store_true", help="train nothing, show the finished rows")
    parser.add_argument("--write", type=Path, help="write the tables between the markers of this document")
    options = parser.parse_args()
    options.packs, options.output = options.packs.resolve(), options.output.resolve()

    planned = list(runs(options))
    if options.finished:
        planned = [run for run in planned if run.finished]
    with ThreadPoolExecutor(options.jobs) as pool:
        for number, (run, _) in enumerate(zip(planned, pool.map(Run.train, planned), strict=True), start=1):
            print(f"{number} of {len(planned)}: {run.folder.relative_to(options.output)}", file=sys.stderr, flush=True)

    blocks = {"commands": commands(list(TABLES))}
    results: dict[str, list[dict[str, Any]]] = {}
    for name in options.only:
        for pack in PACKS:
            measured = {run.overrides for run in planned if run.pack == pack}
            own = [row for row in TABLES[name] if row.pack in (None, pack.name) and row.overrides in measured]
            rows = [result(row, pack, options, planned) for row in own]
            results[f"{name}, {pack.name}"] = rows
            blocks[f"{name}, {pack.name}"] = markdown(rows)
    for pack in PACKS:
        picture = options.write.parent / "pictures" / f"training_segments_{pack.name}.svg" if options.write else None
        blocks[f"training segments, {pack.name}"] = sampler_table(options, pack, picture)
    for name, text in blocks.items():
        print(f"\n{name}\n\n{text}")
        if options.write:
            replace_block(options.write, f"<!-- {name} -->", "<!-- end -->", text)
    write_json(options.json, results)


if __name__ == "__main__":
    main()
