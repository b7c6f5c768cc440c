"""The kinds of files that commands write, recognized by their beginning."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from rcl.system.errors import listed


class Kind(NamedTuple):
    """A kind of file: what it is called, and whether a file is of this kind by its first lines."""

    name: str
    recognizes: Callable[[str], bool]


def _begins_with(*patterns: str) -> Callable[[str], bool]:
    return lambda head: any(re.match(pattern, head) for pattern in patterns)


def _is_report(head: str) -> bool:
    """Whether this is our page; those of earlier versions have no generator, but a policy that only we write."""
    return '<meta name="generator" content="rcl report">' in head or "media-src 'self' file: blob:\">\n<title>" in head


def _is_comparison_page(head: str) -> bool:
    return '<meta name="generator" content="rcl compare">' in head


def _is_subtitles(head: str) -> bool:
    """Whether every cue ends in the score of a detection, in percent."""
    cue = re.compile(r"(\d+\n)?[\d:.,]+ --> [\d:.,]+\n.* \d+%")
    paragraphs = re.split(r"\n\s*\n", head.replace("\r\n", "\n").strip())
    return all(paragraph == "WEBVTT" or cue.fullmatch(paragraph) for paragraph in paragraphs)


def _is_configuration(head: str) -> bool:
    """Whether this is a configuration as we write it: in YAML's plain layout, without comments."""
    import yaml

    try:
        values = yaml.safe_load(head)
        return {"data", "model", "training"} <= {*values} and yaml.safe_dump(values, sort_keys=False) == head
    except (yaml.YAMLError, TypeError):
        return False


_DETECTOR = r'"detectors": \{\s*"(\\.|[^"\\])*": \{\s*'

NOTHING = Kind("", lambda head: False)
DETECTIONS = Kind(
    "detections", _begins_with(r'\s*\{\s*"version": "RCL",\s*"results":', r"video,start,end,label,score\r?(\n|$)")
)
SUBTITLES = Kind("subtitles of detections", _is_subtitles)
EVALUATION = Kind("an evaluation", _begins_with(r'\s*\{[^{}]*"mAP": \{[^{}]*\},\s*"average_mAP":'))
FRAME_EVALUATION = Kind("an evaluation of frame labels", _begins_with(r'\s*\{\s*"frame_accuracy":'))
FRAME_LABELS = Kind("frame labels of a result", _begins_with(r"### Frame level recognition: ###\r?(\n|$)"))
COMPARISON = Kind("a comparison of two detectors", _begins_with(r'\s*\{\s*"after": "(\\.|[^"\\])*",'))
DIAGNOSIS = Kind("a diagnosis", _begins_with(rf'\s*\{{\s*({_DETECTOR})?"average_mAP_N":'))
LEADERBOARD = Kind(
    "a comparison of detectors", _begins_with(r'\s*\{\s*"against": "(\\.|[^"\\])*",\s*"tiou_thresholds":')
)
REPORT = Kind("a report", _is_report)
COMPARISON_PAGE = Kind("a page that compares detectors", _is_comparison_page)
CONFIGURATION = Kind("the configuration of a run", _is_configuration)
FIT_ANNOTATIONS = Kind("the annotations of a fit", _begins_with(r'\s*\{\s*"version": "RCL",\s*"made_by": "rcl fit",'))
TIME_BUDGET = Kind("a time budget", _begins_with(r"video,group,label,count,total_seconds"))
GROUP_BUDGET = Kind("a time budget of groups", _begins_with(r"group,label,videos,videos_with_it"))
TRANSITIONS = Kind("a table of transitions", _begins_with(r"group,from,to,count,probability"))
CLIP_INDEX = Kind("an index of clips", _begins_with(r"file,video,start,end,label,score,clip_start,clip_end"))
PICTURE = Kind("a picture that rcl clips made", lambda head: "made by rcl clips" in head)
AGREEMENT = Kind("an agreement of annotators", _begins_with(r'\s*\{\s*"agreement_of":'))
LEARNING_CURVE = Kind("a learning curve", _begins_with(r'\s*\{\s*"made_by": "rcl learning-curve",'))
EXPORTED = Kind("an exported detector", _begins_with(r'\s*\{\s*"rcl_detector": \d+,'))
METRICS = Kind("the metrics of a run", _begins_with(r"epoch,step,learning_rate"))


def describe(head: str) -> str:
    """What a file with these first lines is, in words for the user."""
    evaluations = (EVALUATION, FRAME_EVALUATION, COMPARISON, DIAGNOSIS, LEADERBOARD, LEARNING_CURVE)
    outcomes = (EXPORTED, TIME_BUDGET, GROUP_BUDGET, TRANSITIONS, CLIP_INDEX, AGREEMENT)
    kinds = (DETECTIONS, FRAME_LABELS, *evaluations, *outcomes, REPORT, COMPARISON_PAGE)
    known = next((kind.name for kind in kinds if kind.recognizes(head)), None)
    if known is not None:
        return known
    if re.match(r"\s*[{[]", head):
        return "annotations" if '"database"' in head else "another JSON file"
    if re.match(r"\s*<(!doctype html|html)", head, re.IGNORECASE):
        return "another web page"
    if "-->" in head:
        return "subtitles of detections" if _is_subtitles(head) else "other subtitles"
    columns = [column.strip(' "\r') for column in re.split(r"[,;\t]", head.partition("\n")[0])]
    if len(columns) > 2:
        is_labels = {"start", "label"} <= {column.lower() for column in columns}
        return "a table of labels" if is_labels else f"a table of {listed(columns)}"
    return "another file"
