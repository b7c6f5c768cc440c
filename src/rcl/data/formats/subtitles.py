"""Detections as subtitles, so that any player shows them over the video."""

from __future__ import annotations

import html

from rcl.data.detections import Detection, Detections
from rcl.data.formats.values import check_times
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import extension_of, write_text

EXTENSIONS = (".srt", ".vtt")
MIN_SCORE = 0.4
"""Detections with lower scores are mostly second guesses, which would hide the picture."""


def save_subtitles(detections: Detections, path: PathLike, *, min_score: float = MIN_SCORE) -> None:
    """Write the detections of one video as SubRip or WebVTT, by extension.

    A detection is on the screen from its start to its end, with its label and its score in percent; those of the same
    time are stacked.

    Args:
        detections: of at most one video.
        path: ``.srt`` or ``.vtt``.
        min_score: detections with a lower score are left out.

    Raises:
        InputError: another extension, several videos, times later than any video lasts, or a place that cannot be
            written.
    """
    extension = extension_of(to_path(path), EXTENSIONS)
    if len(detections.videos) > 1:
        found = f"{len(detections.videos)}"
        fix = "write one file per video (rcl detect --subtitles FOLDER)"
        raise InputError(path, expected="detections of one video", found=found, fix=fix)
    check_times((found[1:3] for found in detections), path)
    shown = sorted(found for found in detections if found.score >= min_score)  # by time
    if extension == ".srt":
        cues = [f"{number}\n{_cue(detection, ',')}" for number, detection in enumerate(shown, 1)]
        write_text(path, "\n\n".join(cues) + "\n" * bool(cues))
    else:
        write_text(path, "\n\n".join(["WEBVTT", *(_cue(detection, ".") for detection in shown)]) + "\n")


def _cue(detection: Detection, point: str) -> str:
    start = round(max(detection.start_seconds, 0.0) * 1000)
    end = max(round(max(detection.end_seconds, 0.0) * 1000), start + 1)  # a cue without length is not shown
    label = " ".join(detection.label.split()) or "action"  # a blank line would end the cue
    # SubRip has tags, but cannot escape a "<".
    label = html.escape(label, quote=False) if point == "." else label.replace("<", "‹").replace(">", "›")
    return f"{_clock(start, point)} --> {_clock(end, point)}\n{label} {detection.score:.0%}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{milliseconds:03}"
