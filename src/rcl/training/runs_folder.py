"""The folder of many trainings, and the settings that they began with, so that nothing else continues them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations
from rcl.data.formats.activitynet import entry_of
from rcl.data.pack import find_features
from rcl.detector.config import Config
from rcl.system.errors import InputError, counted
from rcl.system.text_files import read_json, write_json
from rcl.training.fold_run import FitRecipe
from rcl.training.run import flattened

SETTINGS = "settings.json"


def claim_folder(
    folder: Path, pack: Path, now: Mapping[str, Any], outputs: re.Pattern[str], *, overwrite: bool
) -> None:
    """Check that many trainings may use a folder, and write what they begin with.

    Args:
        folder: for all runs.
        pack: of the features.
        now: what they begin with, see :func:`settings_of`.
        outputs: the names of what they write.
        overwrite: remove what earlier ones left.

    Raises:
        InputError: the folder is that of the pack, or holds something else, or trainings that began with something
            else.
    """
    if folder.resolve() in (pack.resolve(), find_features(pack).resolve()):
        fix = "give another folder with --output: a pack stays as it is"
        raise InputError(folder, expected="a folder for the runs", found="that of the pack", fix=fix)
    # A process that was killed may have left a hidden file that it was writing.
    existing = [path for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []
    if overwrite:
        for path in existing:
            if outputs.fullmatch(path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif existing:
        _check_same(folder, now)
    write_json(folder / SETTINGS, now, indent=1)


def settings_of(
    command: str, pack: Path, training: Mapping[str, Any], annotations: Annotations, videos: Mapping[str, Any]
) -> dict[str, Any]:
    """All that decides the result, except for the number of seeds, which may grow, and the thresholds.

    Args:
        command: that trains.
        pack: of the features.
        training: see :func:`training_settings`.
        annotations: of all videos.
        videos: which of them are held out, under a name for the user.
    """
    labels = {name: _digest(entry_of(video)) for name, video in annotations.videos.items()}
    return {"made_by": command, "pack": str(pack.resolve()), "training": training, **videos, "labels": labels}


def training_settings(recipe: FitRecipe | Config) -> dict[str, Any]:
    """What is trained, without what differs from run to run."""
    if isinstance(recipe, Config):
        others = {"data": {"root", "annotations"}, "training": {"seed", "workers"}}
        return recipe.model_dump(mode="json", exclude=others)
    return {"fit": recipe._asdict()}


def _digest(entry: Mapping[str, Any]) -> str:
    """Of the entry of a video in the annotations. Its subset does not matter, and its group is seen in the folds."""
    text = json.dumps({**entry, "subset": None, "group": None}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _check_same(folder: Path, now: Mapping[str, Any]) -> None:
    """Check that a folder holds trainings with these settings.

    Raises:
        InputError: it does not.
    """
    path = folder / SETTINGS
    then = read_json(path) if path.is_file() else {}
    if then.get("made_by") != now["made_by"]:
        expected, found = f"a new folder, or one of {now['made_by']}", "other files"
        raise InputError(folder, expected=expected, found=found, fix="choose another folder")
    if changed := _first_change(then, now):
        expected, found = changed
        fix = "give what it began with, choose another folder, or add --overwrite to begin anew"
        raise InputError(folder, expected=expected, found=found, fix=fix)


def _first_change(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str] | None:
    """What the trainings began with and what they have now, in words; ``None`` if they are equal."""
    if then["pack"] != now["pack"]:
        return f"the pack that it began with, {then['pack']}", now["pack"]
    before, after = flattened(then["training"]), flattened(now["training"])
    if key := next((key for key in {**before, **after} if before.get(key) != after.get(key)), None):
        return f"the settings that it began with ({key}={before.get(key)!r})", f"{key}={after.get(key)!r}"
    labels = {**then["labels"], **now["labels"]}
    if name := next((name for name in labels if then["labels"].get(name) != now["labels"].get(name)), None):
        return "the labels that it began with", f"others of video {name!r}"
    for key, noun in (("folds", "fold"), ("held_out", "held-out video")):
        if then.get(key) != now.get(key):
            return f"the {counted(len(then[key]), noun)} that it began with", f"{len(now[key])} others"
    return None
