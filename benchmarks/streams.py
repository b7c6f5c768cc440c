"""What two streams bring on 50 Salads, together and when one of them is missing.

    python benchmarks/streams.py PACKS --output RUNS [--seeds 0 1 2] [--jobs 2] [--write docs/results.md] [--json FILE]

PACKS is a folder with the packs ``50salads-mid-fold1`` (A, 128 channels), ``50salads-S-fold1`` (S, 30 channels) and
``50salads-AS-fold1`` (both side by side, A divided by 2.3). A pack with the streams A and S is made of links to their
files. For each seed, ``rcl fit PACK --output RUN --seed SEED`` runs on A alone, on S alone, on both side by side, and
on the two streams; then ``rcl detect`` runs the detector of two streams on packs that lack one of them. All detections are
scored at tIoU 0.3 to 0.7 as in ``fit.py``. Finished runs are not repeated and interrupted ones continue.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accuracy import MEASURES, cell, detect, in_parallel, of_seeds, rcl, score, table
from measuring import argument_parser, replace_block, write_json

from rcl.data.feature_store import FeatureStore
from rcl.data.pack import find_features

STREAMS = {"A": "50salads-mid-fold1", "S": "50salads-S-fold1"}
SIDE_BY_SIDE = "50salads-AS-fold1"
SCALE_OF_A = 2.3  # in the pack with both side by side
SHORT_SECONDS = 8.0
TWO = "two streams"


class Fit(NamedTuple):
    """One run of ``rcl fit``."""

    name: str
    pack: Path
    seed: int
    output: Path

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.output / self.name.replace(" ", "-") / f"seed-{self.seed}"

    def run(self, threads: int | None) -> None:
        """Fit, or continue an interrupted fit; does nothing for a finished one."""
        if not (self.folder / "evaluation.json").exists():
            options = ("--output", self.folder, "--seed", self.seed, "--resume")
            rcl("fit", self.pack, *options, threads=threads, log=self.folder.with_suffix(".log"))

    def without(self, stream: str, pack: Path, threads: int | None) -> None:
        """Detect in a pack that lacks a stream."""
        detect(self.folder / "last.ckpt", pack, self.folder / f"without-{stream}.json", threads=threads)


def make_pack(packs: Path, folder: Path, streams: list[str]) -> Path:
    """A pack with some of the streams, made of links.

    Returns:
        ``folder``.
    """
    for stream in streams:
        root = packs / STREAMS[stream]
        place = folder / "features" / stream
        place.mkdir(parents=True, exist_ok=True)
        for file in sorted((root / "features").glob("*.npy")):
            if not (place / file.name).exists():
                (place / file.name).symlink_to(file)
        shutil.copyfile(root / "annotations.json", folder / "annotations.json")
    return folder


def check_packs(packs: Path) -> None:
    """Check that the streams are of the same videos, and what the pack with both side by side consists of."""
    a, s, both = (FeatureStore(find_features(packs / name)) for name in (*STREAMS.values(), SIDE_BY_SIDE))
    if not a.names() == s.names() == both.names():
        raise SystemExit(f"{packs}: expected the same videos in {', '.join((*STREAMS.values(), SIDE_BY_SIDE))}")
    name = a.names()[0]
    expected = np.concatenate((a.read(name) / SCALE_OF_A, s.read(name)), axis=1)
    if not np.allclose(both.read(name), expected, atol=2e-2):
        raise SystemExit(f"{packs / SIDE_BY_SIDE}: expected A / {SCALE_OF_A:g} and S side by side in {name}")


def planned(options: argparse.Namespace) -> Iterator[Fit]:
    """A run for each pack and seed."""
    packs, output = options.packs, options.output
    two = make_pack(packs, output / "packs" / "A+S", [*STREAMS])
    roots = {f"{stream} alone": packs / name for stream, name in STREAMS.items()}
    roots |= {"side by side": packs / SIDE_BY_SIDE, TWO: two}
    for seed in options.seeds:
        for name, root in roots.items():
            if name in options.only:
                yield Fit(name, root, seed, output)


def complete(options: argparse.Namespace, threads: int | None, fit: Fit) -> None:
    """Fit and, with two streams, detect without each of them."""
    fit.run(threads)
    if fit.name == TWO:
        for missing in STREAMS:
            left = [stream for stream in STREAMS if stream != missing]
            pack = make_pack(options.packs, options.output / "packs" / "+".join(left), left)
            fit.without(missing, pack, threads)


def scores(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """What was detected with, to the measures of every seed, as far as they were measured."""
    truth, found = options.packs / STREAMS["A"], dict[str, list[dict[str, float]]]()
    for fit in planned(options):
        files = {fit.name: fit.folder / "detections.json"}
        if fit.name == TWO:
            files |= {f"{TWO}, {name} missing": fit.folder / f"without-{name}.json" for name in STREAMS}
        for name, file in files.items():
            if file.exists():
                found.setdefault(name, []).append(score(file, truth, SHORT_SECONDS))
    return found


def main() -> None:
    parser = argument_parser(__doc__)
    names = [*(f"{stream} alone" for stream in STREAMS), "side by side", TWO]
    parser.add_argument("packs", type=Path, help="folder of the packs")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="RUN", help="what to fit")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="fits at a time; one thread each if several (default 2)")
    parser.add_argument("--write", type=Path, metavar="DOC.md", help="write the table between the markers there")
    options = parser.parse_args()
    options.packs, options.output = options.packs.resolve(), options.output.resolve()
    check_packs(options.packs)

    threads = 1 if options.jobs > 1 else None
    in_parallel(partial(complete, options, threads), [*planned(options)], options.jobs)
    found = scores(options)
    rows = [[name, *(cell(of_seeds(own, measure)) for measure in MEASURES)] for name, own in found.items()]
    text = table(["", *MEASURES.values()], rows)
    print(text)
    if options.write:
        replace_block(options.write, "<!-- streams -->", "<!-- end -->", text)
    write_json(options.json, found)


if __name__ == "__main__":
    main()
