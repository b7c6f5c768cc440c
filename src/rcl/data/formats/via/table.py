"""Tables that VIA 3 exports: the segments of a project, and its attributes in comments above them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from rcl.data.annotations import Annotations
from rcl.data.formats.exported import KEY
from rcl.data.formats.media import path_of
from rcl.data.formats.media_names import names_of_files
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.via import project
from rcl.system.errors import Defect, InputError, Problems, located, shown
from rcl.system.text_formats import csv_rows

_COLUMNS = ("metadata_id", "file_list", "flags", "temporal_coordinates", "spatial_coordinates", "metadata")
_MARK = "# CSV_HEADER"
_ANCHOR = "FILE1_Z2_XY0"  # of attributes of temporal segments; early versions export only their names


def is_via_csv(text: str) -> bool:
    """Whether a table is one of VIA 3, judged by the comments above it."""
    start = text[:100_000]
    return start.startswith("#") and any(
        line.startswith(_MARK) and "temporal_coordinates" in line for line in start.split("\n")
    )


def parse(text: str, source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of the temporal segments of a table, as those of the project itself; see ``project.parse``.

    Args:
        text: the content of the file; see :func:`is_via_csv`.
        source: the file, for messages.
        options: as for a project.

    Raises:
        InputError: the table is damaged, or a value is wrong.
    """
    lines = text.split("\n")
    comments = [line.strip() for line in lines if line.startswith("#")]
    known = dict(comment[1:].partition("=")[::2] for comment in comments if "=" in comment)
    known = {key.strip(): value.strip() for key, value in known.items()}
    stated = known.get("ATTRIBUTE") or known.get("ATTRIBUTES")
    rows, problems = list[tuple[str, tuple[str, ...], dict[str, Any]]](), Problems()
    for line, fields in csv_rows("\n".join("" if line.startswith("#") else line for line in lines), source):
        with problems.located(f"{source}, line {line}"):
            rows.append(_row(fields))
    problems.raise_first()
    if not rows:
        fix = "export a project with temporal segments"
        raise InputError(source, expected="rows of temporal segments", found="none", fix=fix)
    if stated:
        attributes = _attributes(stated, source)
    else:  # some versions have the names of attributes in the rows
        names = {name for _, _, item in rows if len(item["z"]) == 2 for name in item["av"] if not name.isdigit()}
        attributes = {name: {"aname": name, "anchor_id": _ANCHOR} for name in sorted(names)}
    return project.parse(_project(rows, attributes, source), source, options=options)


def _attributes(text: str, source: str) -> dict[str, Any]:
    with located(f"{source}, ATTRIBUTE"):
        given = _object(text)
    return {
        key: value if isinstance(value, dict) else {"aname": value, "anchor_id": _ANCHOR}
        for key, value in given.items()
    }


def _row(fields: Sequence[str]) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """The id of a segment, its files, and what a project would say about it."""
    if len(fields) < len(_COLUMNS):
        expected = f"{len(_COLUMNS)} fields, {','.join(_COLUMNS)}"
        raise Defect(expected=expected, found=f"{len(fields)}", fix="export the table again")
    files = _list(fields[1].strip("{}"))
    item = {"z": _list(fields[3].strip("{}")), "xy": _list(fields[4].strip("{}")), "av": _object(fields[5])}
    return fields[0], tuple(map(str, files)), item


def _project(rows: Sequence[tuple[str, tuple[str, ...], dict[str, Any]]], attributes: Any, source: str) -> Any:
    views = {files: str(number) for number, files in enumerate(dict.fromkeys(files for _, files, _ in rows), 1)}
    keys = {file: str(number) for number, file in enumerate(dict.fromkeys(chain(*views)), 1)}
    with located(source):
        paths = {file: path_of(file) for file in keys}
        names = names_of_files(paths.values())
    return {
        "project": {},
        "attribute": attributes,
        "file": {keys[file]: {"fname": path, KEY: {"video": names[path]}} for file, path in paths.items()},
        "view": {view: {"fid_list": [keys[file] for file in files]} for files, view in views.items()},
        "metadata": {key: {**item, "vid": views[files]} for key, files, item in rows},
    }


def _list(text: str) -> list[Any]:
    value = _value(text)
    if not isinstance(value, list):
        raise Defect(expected="a list […]", found=shown(text), fix="export the table again")
    return value


def _object(text: str) -> dict[str, Any]:
    value = _value(text)
    if not isinstance(value, dict):
        raise Defect(expected="an object {…}", found=shown(text), fix="export the table again")
    return value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Defect(expected="JSON", found=shown(text), fix="export the table again") from None
