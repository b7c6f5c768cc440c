"""The folder of a cross-validation, and the settings that it began with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations
from rcl.data.formats.activitynet import entry_of
from rcl.data.formats.load import save_annotations
from rcl.data.pack import find_features
from rcl.detector.config import Config
from rcl.system.errors import InputError, counted
from rcl.system.text_files import read_json, write_json
from rcl.training.fold_run import FitRecipe
from rcl.training.run import flattened

SETTINGS, ANNOTATIONS = "settings.json", "annotations.json"
_OUTPUTS = re.compile(r"fold-\d+|detections-seed-\d+\.json|crossval\.json|settings\.json|annotations\.json")


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
        InputError: the folder is that of the pack, or holds something else, or a cross-validation that began with
            something else.
    """
    if folder.resolve() in (pack.resolve(), find_features(pack).resolve()):
        fix = "give another folder with --output: a pack stays as it is"
        raise InputError(folder, expected="a folder for the runs", found="that of the pack", fix=fix)
    now = _settings(pack, recipe, annotations, parts)
    # A process that was killed may have left a hidden file that it was writing.
    existing = [path for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []
    if overwrite:
        for path in existing:
            if _OUTPUTS.fullmatch(path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif existing:
        _check_same(folder, now)
    write_json(folder / SETTINGS, now, indent=1)
    save_annotations(annotations.with_subset("validation"), folder / ANNOTATIONS)


def _settings(
    pack: Path, recipe: FitRecipe | Config, annotations: Annotations, parts: Sequence[set[str]]
) -> dict[str, Any]:
    """All that decides the result, except for the number of seeds, which may grow, and the thresholds."""
    if isinstance(recipe, Config):
        others = {"data": {"root", "annotations"}, "training": {"seed", "workers"}}
        training = recipe.model_dump(mode="json", exclude=others)
    else:
        training = {"fit": recipe._asdict()}
    return {
        "made_by": "rcl crossval",
        "pack": str(pack.resolve()),
        "training": training,
        "folds": [sorted(part) for part in parts],
        "labels": {name: _digest(entry_of(video)) for name, video in annotations.videos.items()},
    }


def _digest(entry: Mapping[str, Any]) -> str:
    """Of the entry of a video in the annotations. Its subset does not matter, and its group is seen in the folds."""
    text = json.dumps({**entry, "subset": None, "group": None}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _check_same(folder: Path, now: Mapping[str, Any]) -> None:
    """Check that a folder holds a cross-validation with these settings.

    Raises:
        InputError: it does not.
    """
    path = folder / SETTINGS
    then = read_json(path) if path.is_file() else {}
    if then.get("made_by") != now["made_by"]:
        expected, found = "a new folder, or one of rcl crossval", "other files"
        raise InputError(folder, expected=expected, found=found, fix="choose another folder")
    if changed := _first_change(then, now):
        expected, found = changed
        fix = "give what it began with, choose another folder, or add --overwrite to begin anew"
        raise InputError(folder, expected=expected, found=found, fix=fix)


def _first_change(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a cross-validation began with and what it has now, in words; ``None`` if they are equal."""
    if then["pack"] != now["pack"]:
        return f"the pack that it began with, {then['pack']}", now["pack"]
    before, after = flattened(then["training"]), flattened(now["training"])
    if key := next((key for key in {**before, **after} if before.get(key) != after.get(key)), None):
        return f"the settings that it began with ({key}={before.get(key)!r})", f"{key}={after.get(key)!r}"
    labels = {**then["labels"], **now["labels"]}
    if name := next((name for name in labels if then["labels"].get(name) != now["labels"].get(name)), None):
        return "the labels that it began with", f"others of video {name!r}"
    if then["folds"] != now["folds"]:
        return f"the {counted(len(then['folds']), 'fold')} that it began with", f"{len(now['folds'])} others"
    return None
