"""Frame labels and segments, and the files of frame labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data import frames
from rcl.data.formats import frame_labels
from rcl.system.errors import Defect, InputError

LABELS = st.lists(st.sampled_from(("background", "cut", "peel", "take")), min_size=1, max_size=40).map(np.array)
RATES = st.sampled_from((0.5, 1.0, 2.5, 12.5, 15.0, 29.97, 30.0))


@given(LABELS, RATES)
def test_segments_of_frames_lead_back_to_them(labels: np.ndarray, fps: float) -> None:
    segments, names = frames.to_segments(labels, fps)
    assert frames.to_frames(segments, names, len(labels), fps).tolist() == labels.tolist()
    assert "background" not in names


@given(LABELS)
def test_runs_are_those_of_a_plain_loop(labels: np.ndarray) -> None:
    expected = [t for t in range(len(labels)) if t == 0 or labels[t] != labels[t - 1]]
    assert frames.run_starts(labels).tolist() == expected


def test_no_frames_have_no_runs() -> None:
    assert frames.run_starts(np.array([], dtype=str)).tolist() == []
    segments, names = frames.to_segments(np.array([], dtype=str), 2.0)
    assert (segments.shape, names) == ((0, 2), ())
    assert frames.to_frames(segments, names, 0, 2.0).tolist() == []


SEGMENTS = st.lists(
    st.tuples(st.floats(-2, 12, width=32), st.floats(0, 6, width=32), st.sampled_from("abc")), max_size=8
)


@given(SEGMENTS, st.integers(1, 25), RATES)
def test_a_frame_belongs_to_the_first_segment_that_contains_its_centre(
    rows: list[tuple[float, float, str]], count: int, fps: float
) -> None:
    segments = np.array([(start, start + length) for start, length, _ in rows]).reshape(-1, 2)
    names = [label for _, _, label in rows]
    expected = []
    for frame in range(count):
        holders = [n for (s, e), n in zip(segments * fps - 0.5, names, strict=True) if s <= frame < e]
        expected.append(holders[0] if holders else "background")
    assert frames.to_frames(segments, names, count, fps).tolist() == expected


def test_several_backgrounds_and_detections() -> None:
    videos = {"a": np.array(["SIL", "cut", "cut"]), "b": np.array(["other"]), "c": np.array([], dtype=str)}
    found = frames.to_detections(videos, 2.0, background=("SIL", "other"))
    assert found.videos == ("a", "b", "c")
    assert [tuple(detection) for detection in found] == [("a", 0.5, 1.5, "cut", 1.0)]


@given(
    st.lists(st.sampled_from(("cut", "peel_it", "é")), min_size=1, max_size=20), st.sampled_from(("lines", "results"))
)
def test_a_file_holds_what_was_written(labels: list[str], form: frame_labels.Form) -> None:
    assert frame_labels.parse(frame_labels.text_of(np.array(labels), form)).tolist() == labels


def test_files_of_the_public_code(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("labels")
    (folder / "rgb-01-1.txt").write_text("action_start\ncut_tomato\ncut_tomato\n\n")
    (folder / "S1_Tea_C1").write_text("### Frame level recognition: ###\ntake open open")
    (folder / "take 1.5").write_text("### frame level recognition: ###\r\ntake\r\n")
    (folder / "day2").mkdir()
    (folder / "day2" / "clip.txt").write_bytes("\ufeffcafe\u0301\r\n".encode())
    (folder / ".hidden.txt").write_text("")
    (folder / "mapping.json").write_text("{}")
    (folder / "notes").write_text("no frame labels")
    (folder / "picture").write_bytes(b"\x89PNG\xff")
    found = {name: labels.tolist() for name, labels in frame_labels.load_frame_labels(folder).items()}
    assert found == {
        "rgb-01-1": ["action_start", "cut_tomato", "cut_tomato"],
        "S1_Tea_C1": ["take", "open", "open"],
        "take 1.5": ["take"],
        "day2/clip": ["café"],
    }


@pytest.mark.parametrize("form", ["lines", "results"])
def test_a_folder_holds_what_was_written(form: frame_labels.Form, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("labels")
    videos = {"clip": np.array(["cut", "peel"]), "cam1/take 1.5": np.array(["background"])}
    frame_labels.save_frame_labels(videos, folder / "new", form=form)
    found = frame_labels.load_frame_labels(folder / "new")
    assert {name: labels.tolist() for name, labels in found.items()} == {k: v.tolist() for k, v in videos.items()}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "found none"),
        ("\n\n", "found none"),
        ("cut\n\npeel", "line 2"),
        ("### Frame level recognition: ###\n", "found none"),
        ("### Frame level recognition: ###\ncut\npeel", "3 lines"),
    ],
)
def test_damaged_files_are_refused(text: str, word: str) -> None:
    with pytest.raises(Defect, match=word):
        frame_labels.parse(text)


def test_what_no_folder_can_hold_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("labels")
    with pytest.raises(InputError, match="one label per line"):
        frame_labels.save_frame_labels({"a": np.array(["cut it"])}, folder, form="results")
    with pytest.raises(InputError, match="line breaks"):
        frame_labels.save_frame_labels({"a": np.array(["cut\nit"])}, folder)
    with pytest.raises(InputError, match="leads out"):
        frame_labels.save_frame_labels({"../a": np.array(["cut"])}, folder)
    with pytest.raises(InputError, match="no such files"):
        frame_labels.load_frame_labels(folder)
    with pytest.raises(InputError, match="no such file"):
        frame_labels.load_frame_labels(folder / "missing")
    (folder / "a.txt").write_text("cut\n\ncut\n")
    (folder / "b.txt").write_text("")
    with pytest.raises(InputError, match=r"a\.txt.*line 2.*1 more such problem"):
        frame_labels.load_frame_labels(folder)
    (folder / "a.txt").write_text("cut\n")
    (folder / "b.txt").unlink()
    (folder / "a").write_text("### Frame level recognition: ###\ncut")
    with pytest.raises(InputError, match="one file for the video 'a'"):
        frame_labels.load_frame_labels(folder)
