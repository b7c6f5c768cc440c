"""Results as other toolboxes write them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rcl.data.detections import Detection
from rcl.data.formats.results import load_detections
from rcl.system.errors import InputError

ITEM = {"segment": [1.5, 3.25], "label": "walk", "score": 0.87}
PROPOSAL = {"score": 0.87, "segment": [1.5, 3.25]}
FOUND = Detection("clip", 1.5, 3.25, "walk", 0.87)

SHAPES = {
    "OpenTAD": {"results": {"clip": [ITEM], "quiet": []}},
    "OpenTAD, with its settings": {"results": {"clip": [ITEM]}, "config": {"dataset": "thumos"}, "epoch": 3},
    "ActivityNet": {"version": "VERSION 1.3", "results": {"clip": [ITEM]}, "external_data": {"used": False}},
    "G-TAD": {"version": "THUMOS14", "results": {"clip": [ITEM]}, "external_data": {}},
    "Ego4D": {
        "version": "1.0",
        "challenge": "ego4d_moment_queries",
        "detect_results": {"clip": [ITEM]},
        "retrieve_results": {"clip": {"walk": [[1.5, 3.25]]}},
    },
    "without anything around": {"clip": [ITEM], "quiet": []},
    "ActionFormer": {"video-id": ["clip"], "t-start": [1.5], "t-end": [3.25], "label": ["walk"], "score": [0.87]},
}


def written(folder: Path, data: object) -> Path:
    path = folder / "results.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str, tmp_path: Path) -> None:
    assert [*load_detections(written(tmp_path, SHAPES[name]))] == [FOUND]


def test_proposals_of_mmaction2(tmp_path: Path) -> None:
    dumped = {"version": "VERSION 1.3", "results": {"clip": [PROPOSAL]}, "external_data": {}}
    listed = [{"video_name": "v_clip", "proposal_list": [PROPOSAL]}]
    assert [*load_detections(written(tmp_path, dumped))] == [FOUND._replace(label="")]
    assert [*load_detections(written(tmp_path, listed))] == [FOUND._replace(video="v_clip", label="")]
    with pytest.raises(InputError, match="'v_clip' twice"):
        load_detections(written(tmp_path, listed * 2))


def test_numbers_of_classes_are_labels(tmp_path: Path) -> None:
    columns = {**SHAPES["ActionFormer"], "label": [3]}
    assert load_detections(written(tmp_path, columns)).labels == ("3",)


def test_a_pickle_is_refused_with_a_line_that_makes_json_of_it(tmp_path: Path) -> None:
    columns = {**SHAPES["ActionFormer"], "t-start": np.array([1.5]), "t-end": np.array([3.25])}
    path = tmp_path / "eval_results.pkl"
    path.write_bytes(pickle.dumps(columns))
    with pytest.raises(InputError, match="found a pickle, which runs code when it is opened; if you trust it") as error:
        load_detections(path)
    line = error.value.fix.partition("python -c ")[2].strip("'")
    subprocess.run([sys.executable, "-c", line], check=True)
    assert [*load_detections(tmp_path / "eval_results.json")] == [FOUND]


def test_a_pickle_that_is_called_json_is_refused_and_its_line_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "eval_results.json"
    path.write_bytes(pickle.dumps({"results": {"clip": [ITEM]}}))
    before = path.read_bytes()
    with pytest.raises(InputError, match="found a pickle, which runs code when it is opened; if you trust it") as error:
        load_detections(path)
    line = error.value.fix.partition("python -c ")[2].strip("'")
    subprocess.run([sys.executable, "-c", line], check=True)
    assert path.read_bytes() == before
    assert [*load_detections(tmp_path / "eval_results.converted.json")] == [FOUND]


def test_frame_labels_are_detections_with_the_score_1(tmp_path: Path) -> None:
    folder = tmp_path / "split_1"
    folder.mkdir()
    (folder / "clip").write_text("### Frame level recognition: ###\nbackground walk walk walk background jump")
    (folder / "quiet").write_text("### Frame level recognition: ###\nbackground background")
    found = load_detections(folder, fps=2)
    assert [*found] == [Detection("clip", 0.5, 2.0, "walk", 1.0), Detection("clip", 2.5, 3.0, "jump", 1.0)]
    assert set(found.videos) == {"clip", "quiet"}
    for fps, message in ((None, "the rate of its frame labels"), (0, "above 0"), (float("nan"), "above 0")):
        with pytest.raises(InputError, match=message):
            load_detections(folder, fps=fps)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"results": {"clip": [{"verb": 1, "noun": 2, "action": "1,2", **PROPOSAL}]}},
            'the class under "verb", "noun"',
        ),
        ({"database": {"clip": {"annotations": []}}}, "an annotation file"),
        ({"clip": [{"segment": [1, 2], "label": "walk"}]}, "the keys clip"),
        ([1, 2], "expected a JSON object"),
        ({"video-id": ["clip"], "t-start": [1.5], "t-end": [3.25, 4.0], "score": [0.8]}, "a table by columns"),
    ],
)
def test_what_is_something_else_is_refused(data: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_detections(written(tmp_path, data))
