"""The folder of a cross-validation, and the settings that it began with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.formats.load import save_annotations
from rcl.detector.config import Config
from rcl.training.fold_run import FitRecipe
from rcl.training.runs_folder import claim_folder, settings_of, training_settings

ANNOTATIONS = "annotations.json"
OUTPUTS = re.compile(r"fold-\d+|detections-seed-\d+\.json|crossval\.json|settings\.json|annotations\.json")


def claim(
    folder: Path,
    pack: Path,
    recipe: FitRecipe | Config,
    annotations: Annotations,
    parts: Sequence[set[str]],
    *,
    overwrite: bool,
) -> None:
    """Check that a cross-validation may use a folder, and write what it begins with and the labels of its videos.

    Args:
        folder: for all runs.
        pack: of the features.
        recipe: what is trained.
        annotations: of all videos.
        parts: the videos of each fold.
        overwrite: remove what an earlier cross-validation left.

    Raises:
        InputError: see :func:`rcl.training.runs_folder.claim_folder`.
    """
    folds = [sorted(part) for part in parts]
    now = settings_of("rcl crossval", pack, training_settings(recipe), annotations, {"folds": folds})
    claim_folder(folder, pack, now, OUTPUTS, overwrite=overwrite)
    save_annotations(annotations.with_subset("validation"), folder / ANNOTATIONS)
