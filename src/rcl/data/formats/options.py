"""How a file is to be read, where it does not say so itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

log = logging.getLogger("rcl")

Times: TypeAlias = Literal["seconds", "milliseconds", "minutes", "frames"]
"""Units of times."""

WITH_OPTION = "(rcl import, rcl fit; for detections rcl export --format csv)"
"""Which commands have the options that a message names: those that read detections to compare them have none."""

_TABLE = ("columns", "times", "fps", "media")
_READ_BY = {
    "table": _TABLE,
    "label-studio": ("times", "fps", "tiers", "annotator", "data_key"),
    "elan": ("times", "fps", "tiers", "tier_as_label", "annotator", "media"),
    "via": ("tiers", "media"),
    "boris": ("annotator",),
    "cvat": ("columns", "fps", "media"),
    "epic-kitchens": ("columns",),
    "fiftyone": ("fps",),
}
"""By format: what of the options its reader takes; of others nothing. A length of points and a subset suit all."""
_OPTIONS = {
    "columns": "--columns",
    "times": "--times",
    "fps": "--fps",
    "tiers": "--tier",
    "tier_as_label": "--tier-as-label",
    "annotator": "--annotator",
    "data_key": "--data-key",
    "media": "--media",
}


@dataclass(frozen=True)
class ReadOptions:
    """What decides where a file can be read in several ways. Each reader takes what concerns it.

    Args:
        columns: of a table: our name of a column (``video``, ``start``, ``end``, ``label``, ``length`` of the instance,
            ``subset``, ``duration`` of the video, ``fps``, ``group``, ``score``, ``individual``, which makes the name
            ``video/individual``) to its name in the file.
        times: unit of the times; by default what the file says, else seconds.
        fps: frames per second of times in frames; by default what the file says.
        point_length: seconds that an event without a length is given, centred on its time; by default it has none.
        subset: of all videos, in files that need one to be read.
        tiers: of ELAN: those to read, by default all; likewise the attributes of VIA and the controls of Label Studio.
        tier_as_label: of ELAN: the name of the tier is the label, whatever the annotation says.
        annotator: of Label Studio and others: whose annotations to read.
        data_key: of Label Studio: the key of a task's data that names its video.
        media: name of the video, or which of several media of a file is the video: a name, a pattern such as
            ``*side*``, or a number from 1.
        writes_frames: whether ``fps`` is also the rate of what is written, so that a file need not use it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    times: Times | None = None
    fps: float | None = None
    point_length: float | None = None
    subset: str | None = None
    tiers: tuple[str, ...] = ()
    tier_as_label: bool = False
    annotator: str | None = None
    data_key: str | None = None
    media: str | None = None
    writes_frames: bool = False

    @property
    def seconds_per_unit(self) -> float | None:
        """Length of the unit of the times; ``None`` if none is given, or frames without a rate."""
        if self.times == "frames":
            return 1 / self.fps if self.fps else None
        return None if self.times is None else {"seconds": 1.0, "milliseconds": 0.001, "minutes": 60.0}[self.times]

    def warn_of_unused(self, source: object, format_: str) -> None:
        """Name the options that readers of a format do not take."""
        read = {*_READ_BY.get(format_, ())}
        if format_ == "elan" and self.times != "frames":
            read.discard("fps")
        unread = [name for name in _OPTIONS if name not in read]
        self.warn_of(source, unread, f"files of this kind ({format_}) have no use for it")

    def warn_of(self, source: object, names: Sequence[str], why: str) -> None:
        """Name those of some options that are given: ``why`` says why the file has no use for them."""
        given = [_OPTIONS[name] for name in names if getattr(self, name) and not (name == "fps" and self.writes_frames)]
        if given:
            log.warning("%s: ignored %s: %s", source, " and ".join(given), why)
