"""A check of labels against their videos before any work: are the times seconds at all?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.time_units import Extent, TimeCheck
from rcl.system.errors import InputError
from rcl.video.extraction import stated_extent
from rcl.video.finding import is_video
from rcl.video.inside import file_of

log = logging.getLogger("rcl")

VIDEOS_READ = 200  # headers; these tell of the unit of all


def stated_extents(annotations: Annotations, videos: Mapping[str, Path]) -> dict[str, Extent]:
    """The lengths and rates that the headers of videos with labels state, of at most ``VIDEOS_READ`` of them.

    Args:
        annotations: under the names of the videos.
        videos: name to file.
    """
    files = {name: file for name, file in videos.items() if is_video(file_of(file))}  # others have no header
    labelled = [name for name, video in annotations.videos.items() if video.labels and name in files]
    step = max(1, -(-len(labelled) // VIDEOS_READ))
    extents = {name: stated_extent(files[name]) for name in labelled[::step]}
    return {name: extent for name, extent in extents.items() if extent}


def check_times(annotations: Annotations, extents: Mapping[str, Extent], reading: ReadOptions | None = None) -> None:
    """Check that the times of labels can be seconds. If their unit was given, a doubt is only logged.

    Args:
        annotations: of the videos, in what is taken for seconds.
        extents: name to length and rate of the videos; others are not checked.
        reading: how the labels were read.

    Raises:
        InputError: many instances lie outside their videos, are shorter than a frame, or hardly cover anything.
    """
    check = TimeCheck.of(annotations, extents)
    if not check.doubts:
        return
    if reading and (reading.times or reading.point_length):
        log.warning("%s: %s", annotations.source, check.found)
        return
    expected = "times of instances in seconds, inside their videos"
    raise InputError(annotations.source, expected=expected, found=check.found, fix=_question(check))


def _question(check: TimeCheck) -> str:
    if not check.better_units:
        return (
            f"{check.question} --times UNIT says so (frames need --fps); "
            "if they are seconds, check that the labels are of these videos, or add --times seconds"
        )
    unit = check.better_units[0]
    option = f"add --times {unit}"
    if unit == "frames":
        one_rate = " to " not in check.frame_rate
        option += f" --fps {check.frame_rate}" if one_rate else f" and --fps (the videos have {check.frame_rate})"
    return f"{check.question} Then {option}; if they are seconds, add --times seconds"
