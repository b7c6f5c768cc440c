"""Results as toolboxes for temporal action localization write them, brought into the one shape of ActivityNet.

- ActivityNet, OpenTAD (``result_detection.json``), BMN, G-TAD, AFSD, MMAction2: ``{"results": {video: [detections]}}``.
- Ego4D's moment queries (VSGN, ActionFormer): ``{"detect_results": {video: [detections]}}``.
- Scripts: ``{video: [detections]}``.
- ActionFormer, TriDet (``eval_results.pkl``): a pickle of columns ``video-id, t-start, t-end, label, score``.
- MMAction2 (``--dump``, ``--out``): a pickle of a list of ``{"video_name", "proposal_list"}``.

A pickle is refused, because opening it runs what it holds; the JSON that one line of Python makes of it is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rcl.data.formats.tables.sheet import is_header
from rcl.system.errors import InputError, listed
from rcl.system.paths import is_remote

_PICKLES = (".pkl", ".pickle", ".p")
_PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_RESULTS = ("results", "detect_results")
_CLASS_KEYS = ("verb", "noun", "action", "category", "class", "label_id", "category_id")


def check_no_pickle(path: Path) -> None:
    """Check that a results file is no pickle.

    Raises:
        InputError: it is; the message has the line of Python that saves it as JSON.
    """
    named = path.suffix.lower() in _PICKLES
    if named or _begins_as_pickle(path):
        given = json.dumps(str(path))
        made = json.dumps(str(path.with_suffix(".json" if named else ".converted.json")))  # never the file itself
        load, dump = f'pickle.load(open({given}, "rb"))', f'open({made}, "w"), default=lambda array: array.tolist()'
        found = "a pickle, which runs code when it is opened"
        fix = f"if you trust it, save it as JSON: python -c 'import json, pickle; json.dump({load}, {dump})'"
        raise InputError(path, expected="detections as JSON or as a table", found=found, fix=fix)


def _begins_as_pickle(path: Path) -> bool:
    """Whether a file on this machine, of any extension, begins as a pickle of protocol 2 or later."""
    if is_remote(path) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(2) in _PICKLE_STARTS
    except OSError:  # reading it will say why
        return False


def rows_of_columns(data: object) -> object:
    """A table of columns ``{name: [values]}`` as its rows; another value as it is."""
    if not isinstance(data, dict) or not data or not all(isinstance(column, list) for column in data.values()):
        return data
    if len({len(column) for column in data.values()}) > 1 or not is_header(data):
        return data
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


def results_in(data: object, source: str) -> dict[str, Any] | None:
    """The detections by video in a JSON value of one of the shapes above; ``None`` if there are none.

    Raises:
        InputError: a video is listed twice, or the first detection has its class under another key than ``label``.
    """
    results = _by_video(data, source)
    if results is not None:
        _check_class_key(results, source)
    return results


def _by_video(data: object, source: str) -> dict[str, Any] | None:
    if isinstance(data, list):
        return _of_proposal_lists(data, source)
    if not isinstance(data, dict):
        return None
    named = next((data[key] for key in _RESULTS if isinstance(data.get(key), dict)), None)
    if named is not None:
        return named
    items = [item for detections in data.values() if isinstance(detections, list) for item in detections]
    bare = bool(items) and all(isinstance(detections, list) for detections in data.values())
    return data if bare and all(isinstance(item, dict) and {"segment", "score"} <= {*item} for item in items) else None


def _of_proposal_lists(data: Sequence[Any], source: str) -> dict[str, Any] | None:
    if not data or not all(isinstance(video, dict) and {"video_name", "proposal_list"} <= {*video} for video in data):
        return None
    names = [str(video["video_name"]) for video in data]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        fix = "merge the two entries or remove one"
        raise InputError(source, expected="every video once", found=f"{twice!r} twice", fix=fix)
    return dict(zip(names, (video["proposal_list"] for video in data), strict=True))


def _check_class_key(results: dict[str, Any], source: str) -> None:
    """Refuse classes under another key, as EPIC-Kitchens has them: without ``label``, detections count as proposals."""
    first = next((items[0] for items in results.values() if isinstance(items, list) and items), None)
    keys = [key for key in _CLASS_KEYS if key in first] if isinstance(first, dict) and "label" not in first else []
    if keys:
        found = f"the class under {listed([json.dumps(key) for key in keys])}"
        fix = f'write the name of the class under "label", in place of {json.dumps(keys[0])}'
        raise InputError(source, expected='{"segment", "label", "score"}', found=found, fix=fix)
