"""A small search of settings: trials on folds of the training videos, within a budget of time.

Held-out videos take no part: a trial gets a file of annotations with the training videos alone.
"""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.formats.load import save_annotations
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.system.text_files import write_json
from rcl.training.choices import hold_out
from rcl.training.folds import folds, videos_together
from rcl.training.recipe import Alternative, Sections, with_changes
from rcl.training.run import train

FOLDS = 3
TRIAL_STEPS = 0.5  # share of the steps of a training
MARGIN = 0.06  # gain in average mAP that one fold may show by chance; two may show half of it, three a third


@dataclass(frozen=True)
class Trials:
    """Trains alternatives on folds of the training videos.

    Args:
        config: the recipe; ``data`` says where the features are.
        training: the training videos.
        folder: for the runs; what it holds is removed at the beginning, and the folder at the end.
        deadline: of :func:`time.monotonic`; no trial begins that would probably end later.
        expected_seconds: that a trial takes at most, as far as is known before the first.
    """

    config: Config
    training: Annotations
    folder: Path
    deadline: float
    expected_seconds: float = 0.0

    def best(self, alternatives: Sequence[Alternative], tried: Callable[[str, int, float], None]) -> Alternative | None:
        """The alternative that beats the recipe by more than chance, or ``None``.

        Fold after fold, the recipe and all alternatives that are not worse so far are trained, until time is over. The
        recipe is only tried if there is time for an alternative, too.

        Args:
            alternatives: to the recipe.
            tried: called with the name of a trial, the number of its fold and its average mAP.
        """
        shutil.rmtree(self.folder, ignore_errors=True)  # an interrupted search may have been on other labels
        recipe, scores = Alternative("the recipe", {}), dict[str, list[float]]()
        left = [recipe, *alternatives]
        seconds = self.expected_seconds  # or of the longest trial so far
        for number, part in enumerate(usable_folds(self.training) if alternatives else []):
            for alternative in left:
                begin = time.monotonic()
                if begin + (2 if alternative is recipe else 1) * seconds > self.deadline:
                    return self._decide(alternatives, scores)
                score = self._score(alternative, number, part)
                scores.setdefault(alternative.name, []).append(score)
                tried(alternative.name, number, score)
                seconds = max(seconds, time.monotonic() - begin)
            left = [recipe, *(a for a in left[1:] if mean_gain(scores, a.name) > 0)]
            if len(left) == 1:
                break
        return self._decide(alternatives, scores)

    def _score(self, alternative: Alternative, number: int, part: set[str]) -> float:
        """Average mAP on one fold of a training on the others."""
        annotations = self.folder / f"fold-{number}.json"
        save_annotations(hold_out(self.training, part), annotations)
        sections = with_changes(self.config.model_dump(mode="json"), alternative.changes)
        trial: Sections = {
            "data": {
                "annotations": str(annotations),
                "training_subset": "training",
                "validation_subset": "validation",
                "unseen_labels": "missed",
            },
            "training": {
                "epoch_steps": max(round(TRIAL_STEPS * (self.config.training.epoch_steps or 1)), 1),
                "validate_every": self.config.training.epochs,
                "members": 1,
            },
            "model": {"head": {"steps": 1}},  # refinement does not change the rest, and takes as long again
        }
        config = parse_config(with_changes(sections, trial), where="rcl fit")
        run = self.folder / f"{alternative.name.replace(' ', '-')}-{number}"
        train(config, run, devices=1)
        with (run / "metrics.csv").open(newline="") as table:
            return float([*csv.DictReader(table)][-1]["validation_mAP"])

    def _decide(self, alternatives: Sequence[Alternative], scores: Mapping[str, Sequence[float]]) -> Alternative | None:
        write_json(self.folder.parent / "search.json", scores, indent=1)
        shutil.rmtree(self.folder, ignore_errors=True)
        best = max(alternatives, key=lambda one: mean_gain(scores, one.name), default=None)
        return best if best and mean_gain(scores, best.name) > MARGIN / len(scores.get(best.name, " ")) else None


def usable_folds(training: Annotations) -> list[set[str]]:
    """Folds of the training videos: those with a label that the other videos have, too.

    There are none where all videos have to stay together.
    """
    units = videos_together(training)
    parts = folds(training, min(FOLDS, len(units))) if len(units) > 1 else []
    return [part for part in parts if _labels(training, part) & _labels(training, training.videos.keys() - part)]


def _labels(annotations: Annotations, names: Collection[str]) -> set[str]:
    return {label for name in names for label in annotations.videos[name].labels}


def mean_gain(scores: Mapping[str, Sequence[float]], name: str) -> float:
    """The mean difference from the recipe over the folds that both were tried on; negative infinity for none.

    >>> mean_gain({"the recipe": [0.5, 0.6], "wide": [0.7]}, "wide")
    0.2
    """
    pairs = [*zip(scores.get(name, ()), scores.get("the recipe", ()), strict=False)]
    return round(sum(one - other for one, other in pairs) / len(pairs), 9) if pairs else float("-inf")
