"""Groups of videos, such as persons: read from all our formats, and kept by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from rcl.data.annotations import Annotations, VideoAnnotation, clip, with_durations
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.tables import table
from rcl.system.errors import InputError

HEADER = ("video", "start", "end", "label", "group")
ROWS = (("a", 1, 2, "run", "anna"), ("b", 1, 2, "run", "ben"), ("b", 3, 4, "run", ""), ("c", 1, 2, "run", ""))
GROUPS = {"a": "anna", "b": "ben", "c": None}


def groups_of(path: Path, **options: object) -> dict[str, str | None]:
    videos = load_annotations(path, options=ReadOptions(**options)).videos  # type: ignore[arg-type]
    return {name: video.group for name, video in videos.items()}


def write_rows(path: Path, rows: tuple = ROWS, header: tuple = HEADER, separator: str = ",") -> Path:
    path.write_text("\n".join(separator.join(map(str, row)) for row in (header, *rows)) + "\n")
    return path


def test_every_kind_of_table_has_groups(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workbook = openpyxl.Workbook()
    for row in (HEADER, *ROWS):
        workbook.active.append(row)
    workbook.save(tmp_path / "a.xlsx")
    rows = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_rows(tmp_path / "a.csv")
    write_rows(tmp_path / "a.tsv", separator="\t")
    for extension in ("csv", "tsv", "xlsx", "json", "jsonl"):
        assert groups_of(tmp_path / f"a.{extension}") == GROUPS, extension
    assert not caplog.records


def test_the_options_may_name_the_column(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", header=(*HEADER[:4], "Person"))
    assert groups_of(path) == {"a": None, "b": None, "c": None}
    assert groups_of(path, columns={"group": "Person"}) == GROUPS


def test_a_missing_value_is_no_group(tmp_path: Path) -> None:
    assert groups_of(write_rows(tmp_path / "a.csv", (("a", 1, 2, "run", "NA"), ("b", 1, 2, "run", " anna ")))) == {
        "a": None,
        "b": "anna",
    }


def test_groups_of_instances_are_not_those_of_videos(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_rows(tmp_path / "a.csv", (("a", 1, 2, "run", "legs"), ("a", 3, 4, "wave", "arms")))
    assert groups_of(path) == {"a": None}
    assert "the column 'group' is not read: video 'a' has the groups 'legs' and 'arms'" in caplog.text
    with pytest.raises(InputError, match="give all rows of the video the same group"):
        groups_of(path, columns={"group": "group"})


def test_json_has_groups(tmp_path: Path) -> None:
    entry = {"subset": "training", "annotations": []}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"database": {"a": {**entry, "group": "anna"}, "b": {**entry, "group": 7}, "c": entry}}))
    assert groups_of(path) == {"a": "anna", "b": "7", "c": None}
    path.write_text(json.dumps({"database": {"a": {**entry, "group": ["anna"]}}}))
    with pytest.raises(InputError, match="video 'a': expected the name of a group"):
        groups_of(path)


def test_groups_survive_files_and_other_changes(tmp_path: Path) -> None:
    pair = np.array([[1.0, 20.0]])
    videos = {
        name: VideoAnnotation(name, "training", 10.0, None, pair, ("run",), group) for name, group in GROUPS.items()
    }
    content = clip(with_durations(Annotations(videos), {"a": 9.0}))
    save_annotations(content, tmp_path / "a.json")
    table.write(content, tmp_path / "a.csv")
    assert groups_of(tmp_path / "a.json") == groups_of(tmp_path / "a.csv") == GROUPS
    assert "group" not in json.loads((tmp_path / "a.json").read_text())["database"]["c"]


def test_a_table_without_groups_is_written_as_before(tmp_path: Path) -> None:
    video = VideoAnnotation("a", "training", 10.0, None, np.array([[1.0, 2.0]]), ("run",))
    table.write(Annotations({"a": video}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().split("\n")[0] == "video,start,end,label,subset,duration,fps"
