"""What was looked at, as the page saves it, is what training reads; nothing else that a file says is lost by that."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from made_pack import make_pack
from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.load import load_annotations
from rcl.data.reviewed import joined
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import NEW, AnnotationFile
from rcl.web.serve.decisions import Decisions
from rcl.web.serve.file_content import Replacement, Segment, describe, union, video_in
from rcl.web.serve.review_file import ReviewFile
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of

PAIRS = st.tuples(st.integers(0, 400), st.integers(1, 99)).map(lambda one: (one[0] / 7, (one[0] + one[1]) / 7))
LABELS = st.sampled_from(["wave", "jump", "kick, high"])
SEGMENTS = st.lists(st.builds(lambda pair, label: Segment(*pair, label), PAIRS, LABELS), max_size=4)
PARTS = st.lists(PAIRS, max_size=4).map(union)


def opened(path: Path) -> Decisions:
    return Decisions(AnnotationFile(path, ["a", "b"]), ReviewFile(path, ["a", "b"]))


def in_labels(path: Path, name: str) -> np.ndarray | None:
    """What training takes as looked at."""
    return load_annotations(path).videos[name].reviewed_seconds


@pytest.fixture(params=["csv", "json"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"labels.{request.param}"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segments=SEGMENTS, parts=PARTS.filter(len), more=SEGMENTS)
def test_what_is_saved_as_looked_at_is_what_training_reads_also_after_new_rows_and_being_taken_out(
    path: Path, segments: list[Segment], parts: tuple[tuple[float, float], ...], more: list[Segment]
) -> None:
    for file in path.parent.iterdir():
        file.unlink()
    saved = opened(path).finish("a", segments, None, revision=NEW, reviewed=parts)
    times = np.array([one[:2] for one in segments]).reshape(-1, 2)
    np.testing.assert_array_equal(in_labels(path, "a"), joined(np.array(parts), times))
    again = opened(path).finish("a", [*segments, *more], None, revision=saved.revision, reviewed=saved.reviewed)
    expected = joined(np.array(parts), times, np.array([one[:2] for one in more]).reshape(-1, 2))
    np.testing.assert_array_equal(in_labels(path, "a"), expected)
    out = opened(path).take_out("a", revision=again.revision)
    assert out.is_partial
    assert out.reviewed == tuple(map(tuple, expected.tolist()))
    opened(path).finish("a", out.segments, None, revision=out.revision, reviewed=out.reviewed)
    np.testing.assert_array_equal(in_labels(path, "a"), expected)


@given(SEGMENTS, st.none() | PARTS)
def test_a_video_is_described_with_what_was_looked_at(segments: list[Segment], parts: object) -> None:
    times = np.array([one[:2] for one in segments]).reshape(-1, 2)
    reviewed = None if parts is None else np.array(parts).reshape(-1, 2)
    labels = tuple(one.label for one in segments)
    video = VideoAnnotation("a", "training", 80.0, None, times, labels, "anna", reviewed)
    entry = json.loads(json.dumps(describe(video)))
    again = video_in(entry, "a")
    assert (again.labels, again.group) == (video.labels, video.group)
    np.testing.assert_array_equal(again.segments_seconds, times)
    if video.reviewed_seconds is None:
        assert again.reviewed_seconds is None
    else:
        np.testing.assert_array_equal(again.reviewed_seconds, video.reviewed_seconds)


def test_a_video_whose_parts_are_taken_back_was_looked_at_as_a_whole(path: Path) -> None:
    wave = Segment(1.0, 2.0, "wave")
    saved = opened(path).finish("a", [wave], None, revision=NEW, reviewed=((0.0, 5.0),))
    opened(path).finish("b", [wave], None, revision=NEW)
    assert in_labels(path, "b") is None  # that of other videos stays as it was
    opened(path).finish("a", [wave], None, revision=saved.revision, reviewed=None)
    assert in_labels(path, "a") is None


def test_a_column_that_says_something_else_about_the_review_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("video,start,end,label,reviewed\na,1.0,2.0,wave,yes\nb,,,,no\n", encoding="utf-8")
    file = AnnotationFile(path, ["a", "b"])
    file.save(Replacement("a", [Segment(1.0, 2.0, "wave"), Segment(3.0, 4.0, "jump")]), revision=None)
    file.save(Replacement("b", []), revision=None)
    rows = [*csv.reader(path.read_text(encoding="utf-8").splitlines())]
    assert [row[-1] for row in rows] == ["reviewed", "yes", "", "no"]
    before = path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"expected intervals .* found 'yes'; rename the column"):
        file.save(Replacement("a", [Segment(1.0, 2.0, "wave")], reviewed=((0.0, 3.0),)), revision=None)
    assert path.read_text(encoding="utf-8") == before


def test_the_parts_of_a_pack_that_were_looked_at_are_shown_and_stay(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "pack", training=1, validation=1, seed=3)
    file = pack / "annotations.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    data["database"]["video-000"]["reviewed"] = [[0.0, 5.0]]
    file.write_text(json.dumps(data), encoding="utf-8")
    expected = load_annotations(file, clip=False).videos["video-000"].reviewed_seconds
    session = Session(None, pack)
    key = key_of("video-000")
    shown = session.video(key)
    assert shown["partial"]
    np.testing.assert_array_equal(shown["reviewed"], expected)
    parts = [[*pair] for pair in shown["reviewed"]]
    sent = {"segments": shown["annotations"], "revision": NEW, "reviewed": parts}
    same = session.draft(key, sent)  # nothing has changed
    assert (same["draft"], same["unfinished"], same["revision"], same["partial"]) == (False, None, NEW, True)
    session.save(key, sent)
    np.testing.assert_array_equal(in_labels(pack / "rcl-annotations.csv", "video-000"), expected)
    session.close()
