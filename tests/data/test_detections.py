from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from places import SHARED
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detection, Detections
from rcl.data.formats.results import load_detections, save_detections
from rcl.data.formats.values import composed
from rcl.system.errors import InputError

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real detections are not at {SHARED}")


def detections(**changes: Any) -> Detections:
    columns: dict[str, Any] = {
        "videos": ("a", "idle", "b"),
        "video_index": np.array([2, 0, 2, 2, 0]),
        "segments_seconds": np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 4]]),
        "labels": ("run", "sit"),
        "label_index": np.array([0, 1, 1, 0, 0]),
        "scores": np.array([0.5, 0.1, 0.9, 0.5, 0.1]),
    }
    return Detections(**(columns | changes))


# -- in memory ---------------------------------------------------------------------------------------------------


def test_columns_get_the_documented_types() -> None:
    d = detections(scores=[1, 2, 3, 4, 5], video_index=[2, 0, 2, 2, 0])
    assert (d.scores.dtype, d.segments_seconds.dtype) == (np.float64, np.float64)
    assert (d.video_index.dtype, d.label_index.dtype) == (np.int64, np.int64)
    assert len(d) == 5


def test_iteration_yields_rows() -> None:
    rows = [*detections()]
    assert rows[0] == Detection("b", 0.0, 1.0, "run", 0.5)
    assert rows[-1] == Detection("a", 4.0, 4.0, "run", 0.1)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"scores": np.zeros((5, 1))}, ["scores", "the shape (K)", "(5, 1)"]),
        ({"scores": ["x"] * 5}, ["scores", "numbers"]),
        ({"scores": [0, 0, np.nan, 0, 0]}, ["scores", "finite", "nan in row 2"]),
        ({"segments_seconds": np.zeros((5, 3))}, ["segments_seconds", "(5, 2)", "(5, 3)"]),
        ({"segments_seconds": np.zeros((4, 2))}, ["segments_seconds", "(5, 2)", "(4, 2)"]),
        ({"segments_seconds": np.full((5, 2), np.inf)}, ["segments_seconds", "inf in row 0"]),
        ({"segments_seconds": [[0, 1]] * 4 + [[2, 1]]}, ["not before their starts", "[2.0, 1.0] in row 4"]),
        ({"video_index": [0, 0, 0, 0]}, ["video_index", "5 whole numbers"]),
        ({"video_index": [0.0] * 5}, ["video_index", "5 whole numbers", "float64"]),
        ({"video_index": [0, 0, 3, 0, 0]}, ["video_index", "list of 3 names", "3 in row 2"]),
        ({"label_index": [0, -1, 0, 0, 0]}, ["label_index", "list of 2 names", "-1 in row 1"]),
        ({"videos": ("a", "b", "a")}, ["videos", "'a' twice"]),
    ],
)
def test_wrong_columns_are_refused(changes: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        detections(**changes)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_top_keeps_the_best_of_each_video_stably() -> None:
    best = detections().top(2)
    assert best.videos == ("a", "idle", "b")
    assert [(d.video, d.start_seconds) for d in best] == [("a", 1), ("a", 4), ("b", 2), ("b", 0)]
    assert len(detections().top(0)) == 0
    assert len(Detections.empty().top(3)) == 0
    with pytest.raises(InputError, match="-1"):
        detections().top(-1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=25), st.integers(0, 6))
def test_top_agrees_with_sorting(rows: list[tuple[int, int]], k: int) -> None:
    count = len(rows)
    segments = np.stack([np.arange(count), np.arange(count) + 1], axis=1)
    videos = [video for video, _ in rows]
    scores = [score for _, score in rows]
    best = Detections(("a", "b", "c", "d"), videos, segments, ("x",), [0] * count, scores).top(k)  # type: ignore[arg-type]
    expected = []
    for index in range(4):
        own = [row for row in range(count) if videos[row] == index]
        expected += sorted(own, key=lambda row: -scores[row])[:k]
    assert best.segments_seconds[:, 0].tolist() == expected


# -- in a notebook -----------------------------------------------------------------------------------------------


def test_repr_is_short() -> None:
    assert repr(detections()) == "Detections(5 in 3 videos, 2 labels)"
    assert repr(Detections.empty()) == "Detections(0 in 0 videos, 0 labels)"


def test_html_shows_the_best_rows_escaped() -> None:
    text = detections(labels=("<b>", "sit"))._repr_html_()
    assert "<b>" not in text
    assert "<td>&lt;b&gt;</td><td>0.500</td>" in text
    assert text.index("0.900") < text.index("0.500") < text.index("0.100")
    assert text.count("<tr>") == 1 + 5
    many = Detections(("a",), [0] * 99, np.tile([[0, 1]], (99, 1)), ("x",), [0] * 99, np.arange(99))  # type: ignore[arg-type]
    assert many._repr_html_().count("<tr>") == 1 + 10
    assert "the best 10" in many._repr_html_()


def test_one_detection_by_its_position() -> None:
    assert detections()[0] == Detection("b", 0.0, 1.0, "run", 0.5)
    assert detections()[-1] == detections()[np.int64(4)] == Detection("a", 4.0, 4.0, "run", 0.1)
    for position in (5, -6):
        with pytest.raises(IndexError):
            detections()[position]


@pytest.mark.parametrize(
    ("key", "starts"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -2), [4, 2, 0]),
        ([3, 0, 0], [3, 0, 0]),
        ([], []),
        (np.array([-1, 1]), [4, 1]),
        (np.array([True, False, False, True, False]), [0, 3]),
    ],
)
def test_several_detections_by_their_positions(key: Any, starts: list[float]) -> None:
    some = detections()[key]
    assert [found.start_seconds for found in some] == starts
    assert (some.videos, some.labels) == (detections().videos, detections().labels)


@pytest.mark.parametrize("key", [np.array([True]), [[0, 1]], 1.5, "a", True, (0, 1)])
def test_other_keys_are_refused(key: Any) -> None:
    with pytest.raises(IndexError):
        detections()[key]


def test_to_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    frame = detections().to_pandas()
    assert [*frame.columns] == [*Detection._fields]
    assert [Detection(*row) for row in frame.itertuples(index=False)] == [*detections()]
    assert isinstance(Detections.empty().to_pandas(), pandas.DataFrame)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="run pip install pandas"):
        detections().to_pandas()


def test_plot_draws_every_segment_in_the_row_of_its_label() -> None:
    video = VideoAnnotation("b", "training", None, None, np.array([[0.0, 2.0]]), ("run",))
    axes = detections().plot("b", annotations=Annotations({"b": video}))
    bars = [path.get_extents() for collection in axes.collections for path in collection.get_paths()]
    assert sorted((bar.x0, bar.x1) for bar in bars) == [(0, 1), (0, 2), (2, 3), (3, 4)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["run", "sit"]
    opacities = {round(colour[3], 3) for collection in axes.collections for colour in collection.get_facecolors()}
    assert opacities == {0.575, 0.915, 1.0}  # of the scores 0.5 and 0.9, and of the ground truth
    assert detections().plot("idle", axes=axes) is axes
    pyplot.close(axes.figure)


def test_plot_of_several_videos_wants_a_name() -> None:
    with pytest.raises(InputError, match=r"found 3 videos \(a, idle, b\); give the name of one"):
        detections().plot()
    axes = detections().for_video("a").plot()
    assert axes.get_title() == "a"
    pyplot.close(axes.figure)


# -- parts and wholes --------------------------------------------------------------------------------------------


def test_for_video() -> None:
    b = detections().for_video("b")
    assert b.videos == ("b",)
    assert [d.start_seconds for d in b] == [0, 2, 3]
    assert len(detections().for_video("idle")) == 0
    with pytest.raises(InputError, match="'c', found 3 others"):
        detections().for_video("c")


def test_concatenate_merges_names() -> None:
    other = Detections(("b", "c"), [1, 0], [[5, 6], [6, 7]], ("sit", "eat"), [1, 0], [1, 2])  # type: ignore[arg-type]
    both = Detections.concatenate([detections(), Detections.empty(), other])
    assert both.videos == ("a", "idle", "b", "c")
    assert both.labels == ("run", "sit", "eat")
    assert [*both] == [*detections(), *other]
    assert len(Detections.concatenate([])) == 0


# -- files -------------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=False, allow_infinity=False)
# CSV cannot tell some control characters from line ends, nor a file name that is no text from an escaped one.
plain = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).map(composed)
anything = st.text(st.characters(), min_size=1).filter(str.strip).map(composed)


@st.composite
def any_detections(draw: st.DrawFn, names: st.SearchStrategy[str]) -> Detections:
    videos = draw(st.lists(names, unique=True, max_size=3))
    labels = draw(st.lists(names | st.just(""), unique=True, min_size=1, max_size=3))
    row = st.tuples(
        st.integers(0, len(videos) - 1),
        st.tuples(numbers, numbers).map(sorted),
        st.sampled_from(range(len(labels))),
        numbers,
    )
    rows = draw(st.lists(row, max_size=5)) if videos else []
    video_index, segments, label_index, scores = zip(*rows, strict=True) if rows else ([], [], [], [])
    return Detections(tuple(videos), video_index, segments, tuple(labels), label_index, scores)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(any_detections(anything))
def test_json_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, before: Detections) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    save_detections(before, path)
    after = load_detections(path)
    assert after.videos == before.videos
    assert [*after] == [row for name in before.videos for row in before.for_video(name)]  # grouped by video


@settings(max_examples=40, deadline=None)
@given(any_detections(plain.filter(lambda name: name == name.strip())))
def test_csv_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, before: Detections) -> None:
    path = tmp_path_factory.getbasetemp() / "round.csv"
    save_detections(before, path)
    after = load_detections(path)
    assert set(after.videos) == set(before.videos)
    assert [*after] == [*before]


def test_saved_json_is_what_the_field_reads(tmp_path: Path) -> None:
    save_detections(detections(), tmp_path / "d.json")
    data = json.loads((tmp_path / "d.json").read_text())
    assert data["results"]["idle"] == []
    assert data["results"]["a"][0] == {"segment": [1.0, 2.0], "label": "sit", "score": 0.1}
    assert data.keys() == {"version", "results", "external_data"}
    assert [file.name for file in tmp_path.iterdir()] == ["d.json"]


def test_proposals_have_no_label(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"results": {"v": [{"segment": ["1", 2], "score": "0.5"}]}}')
    proposals = load_detections(tmp_path / "p.json")
    assert [*proposals] == [("v", 1.0, 2.0, "", 0.5)]
    save_detections(proposals, tmp_path / "q.json")
    assert "label" not in (tmp_path / "q.json").read_text()
    (tmp_path / "p.csv").write_text("video,start,end,score\nv,1,2,0.5\n")
    assert [*load_detections(tmp_path / "p.csv")] == [*proposals]


@needs_shared
@pytest.mark.parametrize(
    ("name", "videos", "count"),
    [
        ("anet/anet_synth_detections.json", 4360, 12_420),
        ("anet/anet_synth_proposals_200v.json", 194, 17_327),
        ("thumos/thumos_synth_detections.json", 213, 10_181),
    ],
)
def test_real_results_load(name: str, videos: int, count: int) -> None:
    loaded = load_detections(SHARED / "golden" / name)
    assert (len(loaded.videos), len(loaded)) == (videos, count)


def test_large_results_load_quickly(tmp_path: Path) -> None:
    row = '{"segment": [1.25, 2.5], "label": "run", "score": 0.123456}'
    text = ", ".join(f'"v{i}": [{", ".join([row] * 100)}]' for i in range(1000))
    (tmp_path / "large.json").write_text(f'{{"results": {{{text}}}}}')
    began = time.process_time()
    json.loads((tmp_path / "large.json").read_text())
    parsed = time.process_time()
    assert len(load_detections(tmp_path / "large.json")) == 100_000
    assert time.process_time() - parsed < 5 * (parsed - began)  # parsing is most of it


# -- defects -----------------------------------------------------------------------------------------------------


def error_of(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_detections(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        ('{"segment": [1, 2], "label": "run", "score": "high"}', ["finite number as score", "'high'", "correct"]),
        ('{"segment": [1, 2], "label": "run"}', ["finite number as score", "None"]),
        ('{"segment": [1, 2], "label": "run", "score": NaN}', ["finite number as score", "nan"]),
        ('{"segment": [1, Infinity], "label": "run", "score": 1}', ["finite number as end", "inf"]),
        ('{"segment": [1, 2, 3], "label": "run", "score": 1}', ['"segment": [start, end]', "[1, 2, 3]"]),
        ('{"label": "run", "score": 1}', ['no "segment"']),
        ('{"segment": [2, 1], "label": "run", "score": 1}', ["start 2.0 and end 1.0", "swap"]),
        ('{"segment": [1, 2], "label": ["run"], "score": 1}', ["as label", "['run']"]),
        ("7", ['{"segment", "label", "score"}', "found 7"]),
    ],
)
def test_json_defects_name_the_detection_and_the_remedy(tmp_path: Path, item: str, parts: list[str]) -> None:
    good = '{"segment": [1, 2], "label": "run", "score": 1}'
    message = error_of(tmp_path / "d.json", f'{{"results": {{"u": [], "v7": [{good}, {item}]}}}}')
    assert "video 'v7', detection 2 of 2" in message
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"results": {"v": [{"segm', ["complete JSON", "line 1, column", "cut short"]),
        ('{"database": {}}', ["an annotation file (ground truth)", "as the ground truth"]),
        ('{"version": 1}', ['"results"', "the keys version"]),
        ('{"results": {"v7": {}}}', ["video 'v7'", "a list of detections", "write []"]),
        ('{"results": {"v": [], "v": []}}', ["'v' twice"]),
    ],
)
def test_json_defects_of_the_file(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = error_of(tmp_path / "d.json", text)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("v7,1,2,run,high", ["line 3, video 'v7'", "finite number as score", "'high'"]),
        ("v7,1,2,run,", ["finite number as score", "''"]),
        ("v7,2,1,run,1", ["start 2.0 and end 1.0"]),
        ("v7,,,run,", ["finite number as start"]),
        (",1,2,run,1", ["line 3", "the name of a video"]),
        ("v7,1,2,run", ["line 3", "5 fields", "found 4"]),
    ],
)
def test_csv_defects_name_the_line(tmp_path: Path, row: str, parts: list[str]) -> None:
    message = error_of(tmp_path / "d.csv", f"video,start,end,label,score\nv7,1,2,run,1\n{row}\n")
    assert [part for part in parts if part not in message] == []


def test_missing_files_and_other_extensions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_detections(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"ends in .json or .csv"):
        load_detections(tmp_path / "d.txt")
    with pytest.raises(InputError, match=r"ends in .json or .csv"):
        save_detections(detections(), tmp_path / "d.pkl")


def test_without_some_videos() -> None:
    detections = Detections(
        videos=("a", "b", "c"),
        video_index=np.array([2, 0, 1, 2]),
        segments_seconds=np.array([[0.0, 1], [1, 2], [2, 3], [3, 4]]),
        labels=("x",),
        label_index=np.zeros(4, dtype=int),
        scores=np.array([0.1, 0.2, 0.3, 0.4]),
    )
    rest = detections.without({"b", "unknown"})
    assert rest.videos == ("a", "c")
    assert [(row.video, row.score) for row in rest] == [("c", 0.1), ("a", 0.2), ("c", 0.4)]
    assert len(detections.without({"a", "b", "c"})) == 0
