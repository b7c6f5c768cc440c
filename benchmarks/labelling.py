"""How many minutes have to be labelled, by the order in which they are: simulated annotators.

    python benchmarks/labelling.py PACKS --output RUNS [--only PACK ...] [--seeds 0 1] [--ways ranked random whole]
        [--steps 500] [--json FILE]

PACKS is a folder of packs. All training videos begin unlabelled. An annotator labels what the loop asks for; after 5,
10, 20, 30, 40, 60 and 80 % of the minutes, a detector is trained on what is labelled so far (``reviewed``), and
evaluated on the validation videos of the pack, which are labelled completely. Trainings that the result does not need
are left out.

- *ranked*: stretches that ``rank_stretches`` asks for, with the detections of the detector before; a quarter is random.
- *random*: stretches of the same length at random places.
- *whole*: whole videos in random order.

An instance that crosses an edge of a stretch extends it, and the extension counts as labelled minutes. The training is
that of ``rcl fit`` with M = 1, so that it takes half as long; ``--steps`` shortens it more. Result: the share of the
minutes at which the average mAP at tIoU 0.3 to 0.7 reaches 90 % of that with all labels, by linear interpolation. Per
pack, the mean of the seeds and half of their range. Finished trainings are not repeated. A seed decides the order and
the weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import cell, table
from measuring import argument_parser, write_json

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections, save_detections
from rcl.data.pack import find_annotations, find_features
from rcl.data.reviewed import between, clipped, covered, joined
from rcl.data.reviewed_time import reviewed_seconds
from rcl.detector.corrections import corrected_shares
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.detector.stretches import Candidate, rank_stretches, stretch_seconds
from rcl.evaluation.metrics import evaluate
from rcl.system.text_files import write_json as write_result
from rcl.training.data import without_validation
from rcl.training.extraction import Extraction
from rcl.training.fit import TIOU_THRESHOLDS
from rcl.training.fit_pack import plan_pack
from rcl.training.fit_result import FitObserver
from rcl.training.held_out import detect_held_out
from rcl.training.plan import FitRun
from rcl.training.recipe import with_changes
from rcl.training.run import train

PACKS = ("50salads-mid-fold1", "gtea-fold1", "sbhar-dev")
WAYS = ("ranked", "random", "whole")
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
AT_ONCE = 4  # stretches of a ranking
WANTED = 0.9  # of the average mAP with all labels


# -- the annotator -----------------------------------------------------------------------------------------------


def revealed(truth: VideoAnnotation, reviewed: np.ndarray) -> VideoAnnotation:
    """The video with the instances in what was reviewed of it."""
    kept = np.flatnonzero(covered(truth.segments_seconds, reviewed) > 0)
    labels = tuple(truth.labels[row] for row in kept)
    return replace(truth, segments_seconds=truth.segments_seconds[kept], labels=labels, reviewed_seconds=reviewed)


def extended(truth: VideoAnnotation, start: float, end: float) -> tuple[float, float]:
    """The stretch, extended until no instance crosses its edges."""
    while True:
        starts, ends = truth.segments_seconds.T
        inside = (starts < end) & (ends > start)
        wider = min([start, *starts[inside]]), max([end, *ends[inside]])
        if wider == (start, end):
            return wider
        start, end = wider


@dataclass
class Annotator:
    """Somebody who labels parts of the training videos.

    Args:
        truth: all of their labels.
        reviewed: name to what was labelled, ``(R, 2)`` in seconds; none at first.
    """

    truth: Annotations
    reviewed: dict[str, np.ndarray] = field(default_factory=dict)

    def label(self, video: str, start: float, end: float) -> None:
        """Label a stretch, and what instances cover beyond it."""
        known = self.truth.videos[video]
        stretch = clipped(np.array([extended(known, start, end)]), 0.0, float(known.duration_seconds or np.inf))
        self.reviewed[video] = joined(self.reviewed.get(video, np.zeros((0, 2))), stretch)

    @property
    def labelled(self) -> Annotations:
        """All training videos, with what is labelled."""
        nothing = np.zeros((0, 2))
        videos = {name: revealed(video, self.reviewed.get(name, nothing)) for name, video in self.truth.videos.items()}
        return Annotations(videos, source="the labels so far")

    def labelled_since(self, before: dict[str, np.ndarray]) -> Annotations:
        """All training videos, with what was labelled after ``before``."""
        nothing, videos = np.zeros((0, 2)), {}
        for name, video in self.truth.videos.items():
            own, gaps = self.reviewed.get(name, nothing), between(before.get(name, nothing), 0.0, np.inf)
            videos[name] = revealed(video, joined(*(clipped(own, start, end) for start, end in gaps.tolist())))
        return Annotations(videos)

    @property
    def share(self) -> float:
        """Of the time of all training videos, what is labelled."""
        return reviewed_seconds(self.labelled) / reviewed_seconds(self.truth)


# -- what to label next ------------------------------------------------------------------------------------------


def random_stretch(labelled: Annotations, random: np.random.Generator) -> tuple[str, float, float]:
    """A stretch of the usual length, whose place is uniform in what was not reviewed."""
    length, free = stretch_seconds(labelled), []
    for name, reviewed in _reviewed(labelled).items():
        gaps = between(reviewed, 0.0, float(labelled.videos[name].duration_seconds or 0.0))
        free += [(name, start, end) for start, end in gaps.tolist()]
    sizes = np.array([end - start for _, start, end in free])
    name, start, end = free[random.choice(len(free), p=sizes / sizes.sum())]
    first = random.uniform(start, max(start, end - length))
    return name, first, min(first + length, end)


def ranked_stretches(
    labelled: Annotations, store: FeatureStore, answers: Detections | None, corrected: dict[str, float], seed: int
) -> Iterator[tuple[str, float, float]]:
    """The next few stretches; then what they showed counts for those that follow."""
    candidates = [
        Candidate(name, float(video.duration_seconds or 0.0), store.open(name), () if answers is None else (answers,))
        for name, video in labelled.videos.items()
    ]
    seed += sum(len(video.labels) for video in labelled.videos.values())  # another one for every ranking
    for stretch in rank_stretches(candidates, labelled, count=AT_ONCE, corrected=corrected, seed=seed):
        yield stretch[:3]


def label_until(annotator: Annotator, share: float, stretches: Iterator[tuple[str, float, float]]) -> None:
    """Let the annotator label one stretch after the other, without those that are labelled meanwhile."""
    for name, start, end in stretches:
        done = annotator.reviewed.get(name, np.zeros((0, 2)))
        if covered(np.array([[start, end]]), done)[0] < 0.5 * (end - start):
            annotator.label(name, start, end)
        if annotator.share >= share:
            return


# -- trainings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    """All trainings on a pack with one seed.

    Args:
        pack: its folder.
        root: folder for the results.
        seed: of the order and of the trainings.
        steps: of each training.
    """

    pack: Path
    root: Path
    seed: int
    steps: int

    @cached_property
    def truth(self) -> Annotations:
        """Of the training videos."""
        return load_annotations(find_annotations(self.pack)).subset("training")

    def fit(self, labelled: Annotations, output: Path, *, proposals: bool = False) -> dict[str, Any]:
        """Train and evaluate, and detect in the training videos for ``proposals``, unless that is done."""
        result = output / "result.json"
        if result.exists():
            return dict(json.loads(result.read_text(encoding="utf-8")))
        begin = time.perf_counter()
        truth = load_annotations(find_annotations(self.pack)).subset("validation")
        given = replace(labelled, videos={**labelled.videos, **truth.videos})
        run = FitRun(output, seed=self.seed, overwrite=True)
        config = plan_pack(self.pack, given, run, Extraction(), FitObserver()).config
        fewer = {"epoch_steps": max(round(self.steps / config.training.epochs), 1)}
        changes: dict[str, Any] = {"training": fewer, "model": {"head": {"steps": 1}}}
        config = without_validation(
            parse_config(with_changes(config.model_dump(mode="json"), changes), where="labelling")
        )
        localizer = Localizer.load(train(config, output, overwrite=True, devices=1))
        found = detect_held_out(localizer, truth, self.pack).detections
        if proposals:
            save_detections(detect_held_out(localizer, labelled, self.pack).detections, output / "training.json")
        numbers = {
            "average_map": evaluate(found, truth, tiou_thresholds=TIOU_THRESHOLDS).average_map,
            "seconds": round(time.perf_counter() - begin, 1),
            "share": Annotator(self.truth, _reviewed(labelled)).share,
            "instances": sum(len(video.labels) for video in labelled.videos.values()),
            "labels": len(labelled.labels),
            "reviewed": {name: own.tolist() for name, own in _reviewed(labelled).items()},
        }
        for checkpoint in output.glob("*.ckpt"):
            checkpoint.unlink()
        write_result(result, numbers)
        return numbers

    def everything(self) -> float:
        """The average mAP with all labels."""
        return float(self.fit(self.truth, self.root / "everything")["average_map"])

    def curve(self, way: str, enough: float) -> list[tuple[float, float]]:
        """Shares of labelled minutes and average mAP, up to the first that is ``enough``."""
        return self._ranked(enough) if way == "ranked" else self._without_detector(way, enough)

    def _ranked(self, enough: float) -> list[tuple[float, float]]:
        annotator, points = Annotator(self.truth), list[tuple[float, float]]()
        corrected, answers, seen = dict[str, float](), None, dict[str, np.ndarray]()
        store = FeatureStore(find_features(self.pack))
        for share in SHARES:
            output = self.root / "ranked" / f"{share:.0%}"
            while annotator.share < share and not (output / "result.json").exists():
                few = ranked_stretches(annotator.labelled, store, answers, corrected, seed=self.seed)
                label_until(annotator, share, few)
            numbers = self.fit(annotator.labelled, output, proposals=True)
            annotator.reviewed = {
                name: np.array(own, dtype=float).reshape(-1, 2) for name, own in numbers["reviewed"].items()
            }
            if answers is not None:
                corrected = corrected_shares(answers, annotator.labelled_since(seen))
            seen, answers = annotator.reviewed, load_detections(output / "training.json")
            points.append(self._point("ranked", numbers))
            if points[-1][1] >= enough:
                break
        return points

    def _without_detector(self, way: str, enough: float) -> list[tuple[float, float]]:
        """The shares around the one that is enough, by bisection."""
        annotator, states = Annotator(self.truth), dict[float, Annotations]()
        random = np.random.default_rng(self.seed)
        order = iter([(name, 0.0, np.inf) for name in random.permutation([*self.truth.videos]).tolist()])
        for share in SHARES:
            if annotator.share >= share:  # the last video was long
                continue
            while annotator.share < share:
                few = order if way == "whole" else iter([random_stretch(annotator.labelled, random)])
                label_until(annotator, share, few)
            states[share] = annotator.labelled

        def train_at(share: float) -> tuple[float, float]:
            return self._point(way, self.fit(states[share], self.root / way / f"{share:.0%}"))

        shares, points = [*states], list[tuple[float, float]]()
        below, above = -1, len(shares)
        while above - below > 1:
            middle = (below + above) // 2
            points.append(train_at(shares[middle]))
            below, above = (below, middle) if points[-1][1] >= enough else (middle, above)
        return sorted(points)

    def _point(self, way: str, numbers: dict[str, Any]) -> tuple[float, float]:
        share, value = numbers["share"], numbers["average_map"]
        print(f"{self.root} {way}: {share:.1%} {value:.1%} ({numbers['seconds']} s)", flush=True)
        return share, value


def _reviewed(labelled: Annotations) -> dict[str, np.ndarray]:
    """What was reviewed, of each video."""
    return {
        name: np.array([[0.0, video.duration_seconds]]) if video.reviewed_seconds is None else video.reviewed_seconds
        for name, video in labelled.videos.items()
    }


# -- the result --------------------------------------------------------------------------------------------------


def share_needed(points: Sequence[tuple[float, float]], everything: float) -> float:
    """The share of the minutes at which the average mAP first reaches ``WANTED`` of that with all labels.

    >>> round(share_needed([(0.1, 0.4), (0.2, 0.5)], 0.5), 3)
    0.15
    """
    known = [(0.0, 0.0), *points, (1.0, everything)]
    wanted = WANTED * everything
    for (low, before), (high, after) in pairwise(known):
        if after >= wanted:
            return low + (high - low) * (wanted - before) / (after - before)
    return 1.0


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("packs", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder for the trainings")
    parser.add_argument("--only", nargs="+", default=PACKS, help="packs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--steps", type=int, default=500, help="of each training")
    options = parser.parse_args()
    shares: dict[str, dict[str, list[float]]] = {}
    curves: dict[str, Any] = {}
    for name, seed, way in product(options.only, options.seeds, options.ways):
        everything, points = measure(options, name, seed, way)
        curves.setdefault(name, {}).setdefault(str(seed), {"everything": everything})[way] = points
        shares.setdefault(name, {}).setdefault(way, []).append(share_needed(points, everything))
    rows = [
        [name, *(cell([100 * share for share in own[way]]) for way in options.ways)] for name, own in shares.items()
    ]
    print(table(["", *options.ways], rows))
    write_json(options.json, {"share_of_minutes": shares, "curves": curves})


def measure(options: argparse.Namespace, name: str, seed: int, way: str) -> tuple[float, list[tuple[float, float]]]:
    """The average mAP with all labels, and the curve of a way until it is near that."""
    study = Study(options.packs / name, options.output / name / f"seed-{seed}-{options.steps}", seed, options.steps)
    everything = study.everything()
    return everything, study.curve(way, WANTED * everything)


if __name__ == "__main__":
    main()
