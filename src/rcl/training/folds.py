"""Videos that stay together, and the folds of a cross-validation."""

from __future__ import annotations

from collections import defaultdict

from rcl.data.annotations import Annotations
from rcl.system.errors import InputError, counted


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
