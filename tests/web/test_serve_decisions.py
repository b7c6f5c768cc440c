"""What was decided is in the labels or beside them, never lost, and training reads only what is finished."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcl.data.formats.load import load_annotations
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import NEW, AnnotationFile, OutdatedError
from rcl.web.serve.decisions import Decisions
from rcl.web.serve.file_content import Segment
from rcl.web.serve.review_file import ReviewFile

JUMP, WALK, KICK = Segment(1.0, 2.5, "jump"), Segment(3.0, 4.0, "walk"), Segment(0.25, 0.75, 'kick, "high"')
VIDEOS = ("a", "b", "c")
OTHER = {"subset": "training", "annotations": []}


def opened(path: Path, videos: tuple[str, ...] = VIDEOS) -> Decisions:
    return Decisions(AnnotationFile(path, videos), ReviewFile(path, videos))


@pytest.fixture(params=["csv", "json"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"labels.{request.param}"


def labelled(path: Path) -> dict[str, tuple[str, ...]]:
    """What training reads."""
    return {name: video.labels for name, video in load_annotations(path).videos.items()}


def test_a_video_that_is_not_finished_is_kept_beside_the_labels(path: Path) -> None:
    opened(path).finish("b", [WALK], None, revision=NEW)
    first = opened(path).keep("a", [WALK, JUMP], [KICK], revision=NEW)
    assert first.is_unfinished
    assert labelled(path) == {"b": ("walk",)}
    again = opened(path).of("a")  # after a restart
    assert again == first
    assert again.segments == [JUMP, WALK]
    assert again.review.rejected == (KICK,)
    done = opened(path).finish("a", [JUMP], None, revision=again.revision)
    assert not done.is_unfinished
    assert labelled(path) == {"b": ("walk",), "a": ("jump",)}
    assert opened(path).of("a").review.rejected == (KICK,)  # rejections stay


def test_rejections_alone_are_kept_and_say_nothing_about_the_labels(path: Path) -> None:
    opened(path).keep("a", [], [JUMP._replace(label="")], revision=NEW)  # of a detector without classes
    assert not path.exists()
    again = opened(path).of("a")
    assert (again.is_unfinished, again.segments) == (True, [])
    assert again.review.rejected == (JUMP._replace(label=""),)
    opened(path).keep("a", [], [], revision=again.revision)  # they were taken back
    assert opened(path).of("a").revision == NEW


def test_a_video_without_actions_can_be_taken_out_again(path: Path) -> None:
    saved = opened(path).finish("a", [], None, revision=NEW)
    assert labelled(path) == {"a": ()}
    out = opened(path).take_out("a", revision=saved.revision)
    assert (out.labelled, out.is_unfinished, out.revision) == (None, False, NEW)
    assert opened(path).read().get("b") is None  # the file without a video is read
    opened(path).finish("b", [KICK], None, revision=NEW)
    assert labelled(path) == {"b": (KICK.label,)}


def test_what_the_file_says_of_a_video_survives_being_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    text = (
        "video,start,end,label,who,subset\nfolder/a.mp4,1.0,2.5,jump,ann,validation\nb,0.5,1,walk,bo,training\n"
        "folder/a.mp4,3.0,4.0,walk,cy,validation\n"
    )
    path.write_text(text, encoding="utf-8")
    out = opened(path).take_out("a", revision=None)
    assert [*labelled(path)] == ["b"]
    assert out.segments == [JUMP, WALK]
    opened(path).finish("a", [JUMP, KICK], None, revision=out.revision)
    rows = path.read_text(encoding="utf-8").splitlines()
    assert rows[2] == 'folder/a.mp4,0.25,0.75,"kick, ""high""",,validation'
    assert rows[3] == "folder/a.mp4,1.0,2.5,jump,ann,validation"
    assert load_annotations(path).videos["folder/a.mp4"].subset == "validation"


def test_keys_that_are_not_read_survive_being_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    items = [{"segment": [1.0, 2.5], "label": "jump", "note": "mine"}]
    entry = {"subset": "testing", "duration": 9.5, "url": "u", "annotations": items}
    path.write_text(json.dumps({"version": "7", "database": {"a.mp4": entry, "x": OTHER}}))
    out = opened(path).take_out("a", revision=None)
    assert [*labelled(path)] == ["x"]
    opened(path).finish("a", [*out.segments, WALK], None, revision=out.revision)
    data = json.loads(path.read_text(encoding="utf-8"))
    new = {"segment": [3.0, 4.0], "label": "walk"}
    assert data == {"version": "7", "database": {"x": OTHER,
                                                 "a.mp4": {**entry, "annotations": [*items, new]}}}  # fmt: skip


@pytest.mark.parametrize("change", ["kept", "removed", "edited"])
def test_what_others_do_to_the_file_is_noticed_and_nothing_is_lost(tmp_path: Path, change: str) -> None:
    path = tmp_path / "labels.csv"
    saved = opened(path).finish("a", [JUMP], [KICK], revision=NEW)
    theirs = "video,start,end,label\na,5.0,6.0,sit\n"
    if change == "removed":
        path.unlink()
    elif change == "edited":
        path.write_text(theirs, encoding="utf-8")
    else:
        opened(path).keep("a", [WALK], None, revision=None)  # another page
    before = opened(path).of("a")
    decisions, outdated = opened(path), pytest.raises(OutdatedError, match="saved by another page or program")
    with outdated:
        decisions.finish("a", [JUMP], None, revision=saved.revision)
    with outdated:
        decisions.keep("a", [JUMP], None, revision=saved.revision)
    with outdated:
        decisions.take_out("a", revision=saved.revision)
    after = opened(path).of("a")
    assert (after.segments, after.review, after.revision) == (before.segments, before.review, before.revision)


@pytest.mark.parametrize("step", ["write", "remove", "save"])
def test_an_interruption_between_the_two_files_loses_no_segment(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path).finish("a", [JUMP], None, revision=NEW)
    opened(path).keep("b", [WALK], [KICK], revision=NEW)

    def fail(*values: object, **named: object) -> None:
        raise KeyboardInterrupt

    decisions = opened(path)
    monkeypatch.setattr(ReviewFile if step == "write" else AnnotationFile, step, fail)
    with pytest.raises(KeyboardInterrupt):
        decisions.take_out("a", revision=None) if step == "remove" else decisions.finish(
            "b", [WALK], None, revision=None
        )
    monkeypatch.undo()
    assert opened(path).of("a").segments == [JUMP]
    assert opened(path).of("b").segments == [WALK]
    assert opened(path).of("b").review.rejected == (KICK,)


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "video"),
    [
        ("clip.mp4", "clip"), ("cam1/001", "cam1/001"), ("cam1\\001.avi", "cam1/001"), ("Subject 1/ADL/10", "10"),
        ("10", "Subject 1/ADL/10"), (unicodedata.normalize("NFD", "café"), "café"), ("v_abc", "abc"),
    ],
)  # fmt: skip
def test_a_name_in_the_file_stays_as_it_is_written(path: Path, written: str, video: str) -> None:
    if path.suffix == ".csv":
        path.write_text(f"video,start,end,label\n{written},1.0,2.5,jump\nother,1,2,sit\n", encoding="utf-8")
    else:
        items = [{"segment": [1.0, 2.5], "label": "jump"}]
        database = {written: {"subset": "training", "annotations": items}, "other": OTHER}
        path.write_text(json.dumps({"database": database}), encoding="utf-8")
    videos = (video, "something else")
    shown = opened(path, videos).of(video)
    assert shown.segments == [JUMP]
    opened(path, videos).finish(video, [JUMP, WALK], None, revision=shown.revision)
    found = {name: video.labels for name, video in load_annotations(path).videos.items()}
    assert found[written] == ("jump", "walk")
    assert {*found} == {written, "other"}


def test_two_names_for_one_video_are_refused(path: Path) -> None:
    if path.suffix == ".csv":
        path.write_text("video,start,end,label\na,1,2,jump\na.mp4,3,4,walk\n", encoding="utf-8")
    else:
        database = dict.fromkeys(("a", "a.mp4"), OTHER)
        path.write_text(json.dumps({"database": database}), encoding="utf-8")
    with pytest.raises(InputError, match=r"'a' and 'a\.mp4'"):
        opened(path)


def test_names_that_mean_no_video_are_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    decisions = opened(path, ("A clip", "b"))
    decisions.finish("b", [JUMP], None, revision=NEW)
    decisions.finish("A clip", [JUMP], None, revision=NEW)
    caplog.clear()
    opened(path, ("a-clip", "b"))
    assert "1 of 2 videos in it are not among those shown: 'A clip' (did you mean 'a-clip'?)" in caplog.text


# -- the file of reviews -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "expected reviews of rcl serve"),
        ('{"format": "RCL review", "videos": []}', "expected reviews of rcl serve"),
        ('{"format": "RCL review", "videos": {"a": 3}}', "video 'a': expected lists of segments"),
        ('{"format": "RCL review", "videos": {"a": {"segments": [{"start": 1}]}}}', "video 'a': expected lists of"),
        ('{"format": "RCL review", "videos": {"a": {"segments": [{"start": 1, "end": "x", "label": "y"}]}}}', "number"),
        ('{"format": "RCL review", "videos": {"a": {"entry": 5}}}', "video 'a': expected lists of segments"),
        (
            '{"format": "RCL review", "videos": {"a": {"entry": {"rows": [1]}}}}',
            "video 'a': expected lists of segments",
        ),
        ("not JSON", "JSON"),
    ],
)
def test_a_file_that_is_no_file_of_reviews_is_left_alone(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "labels.review.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        opened(tmp_path / "labels.csv")
    assert file.read_text(encoding="utf-8") == content


def test_reviews_of_videos_that_are_not_shown_stay(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    opened(path).keep("a", [JUMP], None, revision=NEW)
    opened(path, ("b",)).keep("b", [WALK], None, revision=NEW)
    assert opened(path).of("a").segments == [JUMP]


# -- any sequence of decisions -----------------------------------------------------------------------------------

TIMES = st.integers(0, 40).map(lambda quarters: quarters / 4)
SEGMENTS = st.lists(
    st.builds(lambda start, length, label: Segment(start, start + length, label), TIMES, TIMES.map(lambda t: t + 0.25),
              st.sampled_from(["jump", "é, x", '"q"'])),
    max_size=4, unique=True,
).map(sorted)  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(["finish", "keep", "take_out"]), st.sampled_from(VIDEOS), SEGMENTS, st.none() | SEGMENTS),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, kind=st.sampled_from(["csv", "json"]))
def test_after_any_decisions_everything_is_where_it_belongs(
    tmp_path_factory: pytest.TempPathFactory, steps: list, kind: str
) -> None:
    path = tmp_path_factory.mktemp("steps") / f"labels.{kind}"
    in_labels, beside, rejected = {}, {}, {}
    for act, name, segments, refused in steps:
        decisions = opened(path)
        revision = decisions.of(name).revision
        if act == "take_out":
            decisions.take_out(name, revision=revision)
            beside[name] = in_labels.pop(name, beside.get(name, []))
            continue
        getattr(decisions, act)(name, segments, refused, revision=revision)
        rejected[name] = refused if refused is not None else rejected.get(name, [])
        if act == "finish":
            in_labels[name] = segments
            beside.pop(name, None)
        else:
            in_labels.pop(name, None)
            beside[name] = segments
    saved = opened(path).read()
    for name in VIDEOS:
        one = saved.get(name)
        assert (one is not None and one.labelled is not None) == (name in in_labels)
        expected = in_labels.get(name, beside.get(name, []))
        assert (one.segments if one else []) == expected
        assert [*one.review.rejected] == rejected.get(name, []) if one else not rejected.get(name)
    if in_labels:
        assert {name: len(labels) for name, labels in labelled(path).items()} == {
            name: len(segments) for name, segments in in_labels.items()
        }


def test_equal_segments_keep_what_each_row_says(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("video,start,end,label,by\na,1.0,2.5,jump,Ann\na,1.0,2.5,jump,Bob\n")
    decisions = opened(path)
    decisions.finish("a", [JUMP, JUMP, WALK], None, revision=decisions.of("a").revision)
    rows = sorted(path.read_text().splitlines()[1:])
    assert rows == ["a,1.0,2.5,jump,Ann", "a,1.0,2.5,jump,Bob", "a,3.0,4.0,walk,"]


def test_equal_segments_keep_their_own_keys(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    items = [{"segment": [1.0, 2.5], "label": "jump", "by": by} for by in ("Ann", "Bob")]
    path.write_text(json.dumps({"database": {"a": {"subset": "training", "annotations": items}}}))
    decisions = opened(path)
    decisions.finish("a", [JUMP, JUMP], None, revision=decisions.of("a").revision)
    assert json.loads(path.read_text())["database"]["a"]["annotations"] == items
