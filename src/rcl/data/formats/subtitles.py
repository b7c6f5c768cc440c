"""Subtitles: detections, so that any player shows them over the video, and labels that somebody wrote as such."""

from __future__ import annotations

import html
import logging
import re
from typing import TYPE_CHECKING

from rcl.data.annotations import Annotations
from rcl.data.detections import Detection, Detections
from rcl.data.formats.exported import instance_of, stem_of, video_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import check_times, to_segment
from rcl.system.errors import InputError, Problems, counted, describe_error, located
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import extension_of, write_text

if TYPE_CHECKING:
    from pysubs2 import SSAEvent

log = logging.getLogger("rcl")

EXTENSIONS = (".srt", ".vtt")
_SCORE = re.compile(r" \d{1,3}%$")
_MARKUP = re.compile(r"</?(?:b|i|u|s|c|v|lang|font|ruby|rt)(?:[ .][^>]*)?>|<[\d:.]+>|\{\\[^}]*\}", re.IGNORECASE)
_COMMA = re.compile(r"^(\s*[\d:]+),(\d{3}\s*-->\s*[\d:]+),(\d{3})", re.MULTILINE)  # not of WebVTT, but people write it
_LANGUAGE = re.compile(r"\.([a-z]{2,3}(?:-[A-Za-z]{2,4})?)$")
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


# -- reading -----------------------------------------------------------------------------------------------------


def parse(text: str, source: str, *, file_name: str, options: ReadOptions | None = None) -> Annotations:
    """Annotations of SubRip or WebVTT: one video, named as the file, with the text of each cue as the label.

    A score at the end of every cue, as :func:`save_subtitles` writes it, is left off with a warning, as are styles.

    Args:
        text: the content of the file.
        source: the file, for messages.
        file_name: of the file.
        options: nothing of them matters here.

    Raises:
        InputError: the text has no cue where something else is, or a cue ends before it starts.
    """
    web = text.lstrip().startswith("WEBVTT")
    cues = _cues(text, source, web=web)
    labels = [_plain(cue.text, web=web) for cue in cues]
    if cues and all(_SCORE.search(label) for label in labels):
        labels = [_SCORE.sub("", label) for label in labels]
        log.warning("%s: the scores at the ends of the cues are left off", source)
    problems, instances = Problems(), []
    for number, (cue, label) in enumerate(zip(cues, labels, strict=True), 1):
        with problems.located(f"{source}, cue {number}"):
            instances.append(instance_of(*to_segment(cue.start / 1000, cue.end / 1000), label))
    problems.raise_first()
    with located(source):
        video = video_of(stem_of(file_name), instances, None)
    if language := _LANGUAGE.search(video.name):
        message = "%s: its video is named %r; if %r is a language, leave it out of the name of the file"
        log.warning(message, source, video.name, language[1])
    return Annotations({video.name: video}, source=source)


def _cues(text: str, source: str, *, web: bool) -> list[SSAEvent]:
    from pysubs2 import SSAFile  # here, as commands that read no subtitles start faster without it
    from pysubs2.exceptions import Pysubs2Error

    expected = "cues, e.g. 00:00:01,500 --> 00:00:04,000 and their text"
    try:
        plain = _COMMA.sub(r"\1.\2.\3", text) if web else text
        subtitles = SSAFile.from_string(plain, "vtt" if web else "srt", keep_html_tags=True)
    except (Pysubs2Error, ValueError) as error:
        raise InputError(source, expected=expected, found=describe_error(error), fix="correct that cue") from None
    cues = [cue for cue in subtitles if cue.text.strip()]
    if not cues and text.strip() not in ("", "WEBVTT"):
        raise InputError(source, expected=expected, found="none", fix="give a file of subtitles")
    if empty := len(subtitles) - len(cues):
        log.warning("%s: left out %s without a text", source, counted(empty, "cue"))
    return cues


def _plain(text: str, *, web: bool) -> str:
    words = " ".join(_MARKUP.sub("", text.replace("\\N", " ")).split())
    return html.unescape(words) if web else words
