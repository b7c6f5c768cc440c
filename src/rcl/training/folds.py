"""Videos that stay together, and the folds of a cross-validation."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from rcl.data.annotations import Annotations
from rcl.system.errors import InputError, counted, shown


def groups_of(annotations: Annotations) -> set[str]:
    """The groups that videos have."""
    return {video.group for video in annotations.videos.values() if video.group is not None}


def videos_together(annotations: Annotations) -> list[tuple[str, ...]]:
    """The names of the videos, those of a group together and others alone; sorted, whatever the order of the file."""
    together = defaultdict[tuple[bool, str], list[str]](list)
    for name in sorted(annotations.videos):
        group = annotations.videos[name].group
        together[group is not None, name if group is None else group].append(name)
    return sorted(map(tuple, together.values()))


def folds(annotations: Annotations, number: int) -> list[set[str]]:
    """Divide the training videos into folds of about equally many instances. Videos of a group are in one fold.

    >>> import numpy as np
    >>> from rcl.data.annotations import VideoAnnotation
    >>> def video(name, group, count):
    ...     pairs, labels = np.array([[0.0, 1.0]] * count), ("run",) * count
    ...     return VideoAnnotation(name, "training", 10.0, None, pairs, labels, group)
    >>> videos = [video("a1", "anna", 3), video("a2", "anna", 2), video("b1", "ben", 4), video("c1", None, 2)]
    >>> [sorted(fold) for fold in folds(Annotations({each.name: each for each in videos}), 2)]
    [['a1', 'a2'], ['b1', 'c1']]

    Args:
        annotations: videos of any subsets.
        number: of folds.

    Returns:
        ``number`` sets of names, none of them empty. The same videos give the same folds.

    Raises:
        InputError: there are fewer groups, and videos without a group, than folds.
    """
    training = {name: video for name, video in annotations.videos.items() if video.subset == "training"}
    units = videos_together(Annotations(training))
    if not 1 <= number <= len(units):
        expected = f"at least {counted(number, 'training video')} that need not stay together"
        count, fix = str(len(units)), "choose from 1 fold to that many, or add videos of other groups"
        raise InputError(annotations.source, expected=expected, found=count, fix=fix)
    instances = {unit: sum(len(training[name].labels) for name in unit) for unit in units}
    found = [set[str]() for _ in range(number)]
    sizes = [(0, 0)] * number  # instances, then videos: a fold without videos comes before all others
    for unit in sorted(units, key=lambda unit: (-instances[unit], unit)):
        fold = sizes.index(min(sizes))
        found[fold].update(unit)
        sizes[fold] = (sizes[fold][0] + instances[unit], sizes[fold][1] + len(unit))
    return found


def with_groups(annotations: Annotations, group: str) -> Annotations:
    """The same videos in other groups.

    >>> import numpy as np
    >>> from rcl.data.annotations import VideoAnnotation
    >>> videos = [VideoAnnotation(name, "training", 9.0, None, np.zeros((0, 2)), ()) for name in ("S1_tea", "S2_tea")]
    >>> content = Annotations({each.name: each for each in videos})
    >>> [video.group for video in with_groups(content, r"S\\d").videos.values()]
    ['S1', 'S2']

    Args:
        annotations: of the videos.
        group: ``group`` for the groups of the annotations, ``video`` for none, so that each video stands alone, or a
            regular expression: videos in whose names it finds the same text belong together, or the same text in its
            first parentheses, if it has some.

    Raises:
        InputError: no video has a group, the expression is wrong, or a name does not contain it.
    """
    if group == "group":
        if not groups_of(annotations):
            fix = (
                "add a column (or key) 'group', or give --folds, --group video (each video alone), or --group with an "
                "expression such as 'S\\d', which finds the group in the name of a video"
            )
            raise InputError(annotations.source, expected="videos with a group", found="none", fix=fix)
        return annotations
    if group == "video":
        return replace(annotations, videos={name: replace(v, group=None) for name, v in annotations.videos.items()})
    try:
        pattern = re.compile(group)
    except re.error as error:
        expected = "group, video or a regular expression"
        raise InputError("--group", expected=expected, found=f"{group!r} ({error})", fix="correct it") from None
    found = {name: pattern.search(name) for name in annotations.videos}
    if missing := [name for name, match in found.items() if not match or not match[bool(pattern.groups)]]:
        expected = f"names of videos that contain {group!r}"
        others = f"{shown(missing[0])}" + (f" (and {len(missing) - 1} more)" if len(missing) > 1 else "")
        fix = "correct the expression, or use --group group or --group video"
        raise InputError("--group", expected=expected, found=others, fix=fix)
    videos = {
        name: replace(video, group=match[bool(pattern.groups)])
        for (name, video), match in zip(annotations.videos.items(), found.values(), strict=True)
        if match
    }
    return replace(annotations, videos=videos)


def held_out_in_turn(annotations: Annotations, number: int | None = None) -> list[set[str]]:
    """The folds of a cross-validation of all videos, whatever their subset. Videos of a group are in one fold.

    Args:
        annotations: of the videos.
        number: of folds; by default as many as there are groups and videos without a group.

    Raises:
        InputError: there are fewer than two folds, or fewer groups than folds.
    """
    units = videos_together(annotations)
    if number is not None and number < 2:
        fix = "give at least 2: each fold is held out once, and the detector is trained on the others"
        raise InputError("--folds", expected="2 or more", found=str(number), fix=fix)
    if len(units) < max(number or 2, 2):
        expected = f"at least {counted(number or 2, 'group')} of videos (a video without a group is one)"
        found = f"{counted(len(units), 'group')} in {counted(len(annotations.videos), 'video')}"
        fix = "ask for fewer folds, add videos of other groups, or group them in another way with --group"
        raise InputError(annotations.source, expected=expected, found=found, fix=fix)
    if number is None:
        return [set(unit) for unit in units]
    return folds(annotations.with_subset("training"), number)


def labels_of_one_fold(annotations: Annotations, parts: Sequence[Collection[str]]) -> list[str]:
    """The labels that occur in one fold only, where no detector can find them: it never saw them."""
    known = [{label for name in part for label in annotations.videos[name].labels} for part in parts]
    return [label for label in annotations.labels if sum(label in labels for labels in known) == 1]
