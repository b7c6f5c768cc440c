"""What came out of reading labels is looked at, whatever the format."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rcl.cli import app
from rcl.cli.console import few_of_each
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.formats import outcome
from rcl.data.formats.import_files import import_files
from rcl.system.errors import InputError


def video(
    name: str, *instances: tuple[float, float, str], duration: float | None = None, subset: str = "training"
) -> VideoAnnotation:
    segments = np.array([item[:2] for item in instances], dtype=np.float64).reshape(-1, 2)
    return VideoAnnotation(name, subset, duration, None, segments, tuple(item[2] for item in instances))


def annotations(*videos: VideoAnnotation, source: str = "a.json") -> Annotations:
    return Annotations({each.name: each for each in videos}, source=source)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            annotations(video("a", (0, 5, "x"), (1, 12, "x"), (2, 30, "y"), duration=10.0)),
            "2 of 3 segments end after the end of the video, the last at 30 s in video 'a' of 10 s",
        ),
        (annotations(video("a", (0, 10.05, "x"), duration=10.0)), ""),
        (
            annotations(video("a", (-8.5, -6.75, "x"), (1, 2, "x"), duration=10.0), video("b", (-1, 2, "x"))),
            "2 of 3 segments begin before the start of the video, the first at -8.5 s in video 'a' of 10 s: do they",
        ),
        (annotations(video("b", (-3, 2, "x"))), "the first at -3 s in video 'b': do they have an offset?"),
        (annotations(video("a", (-0.05, 2, "x"))), ""),
        (
            annotations(video("a", (0, 5, "x")), video("b", (0, 1e6, "x"))),
            "video 'b' ends at 1000000 s (278 hours): are these milliseconds?",
        ),
        (annotations(video("a", (0, 80_000, "x"))), ""),
        (
            annotations(video("a", *((n, n + 1, f"said {n}") for n in range(12)))),
            "each of the 12 instances has a label of its own",
        ),
        (annotations(video("a", *((n, n + 1, f"said {n}") for n in range(9)))), ""),
        (annotations(video("a", *((n, n + 1, f"{n // 2}") for n in range(20)))), ""),
        (annotations(video("a")), ""),
    ],
)
def test_doubts(content: Annotations, said: str) -> None:
    sentences = outcome.doubts(content)
    assert said in "".join(sentences)
    assert len(sentences) == (said != "")


def test_instances_that_are_written_twice_are_counted() -> None:
    once = video("a", (0, 5, "x"), (0, 5, "y"), (0, 6, "x")), video("b", (0, 5, "x"))
    assert outcome.doubled(annotations(*once)) == []
    twice = annotations(*once, video("c", *[(1, 2.5, "x")] * 3, (0, 1, "y"), (0, 1, "y")))
    (sentence,) = outcome.doubled(twice)
    assert sentence.startswith("3 instances written more than once: 'x' from 1 to 2.5 s in 'c'")


def test_published_segments_reach_a_little_beyond_their_videos() -> None:
    content = annotations(video("a", (-5, 105, "x"), duration=100.0), video("b", (0, 9, "x")))
    assert len(outcome.doubts(content)) == 2
    assert outcome.doubts(content, overhang=0.1) == []
    assert outcome.doubts(annotations(video("a", (0, 120, "x"), duration=100.0)), overhang=0.1) != []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-20, 30), st.integers(0, 9)), max_size=9))
def test_detections_are_looked_at_as_annotations_are(rows: list[tuple[str, int, int]]) -> None:
    items = {name: [(start, start + n, "x") for other, start, n in rows if other == name] for name in "abc"}
    lengths = {"a": 10.0, "b": None, "c": 12.5}
    content = annotations(*(video(name, *own, duration=lengths[name]) for name, own in items.items()))
    own = [(index, *item[:2]) for index, name in enumerate("abc") for item in items[name]]
    found = Detections(
        (*"abc",), [row[0] for row in own], [row[1:] for row in own], ("x",), [0] * len(own), [1.0] * len(own)
    )  # type: ignore[arg-type]
    expected = [sentence.replace("segment", "detection") for sentence in outcome.doubts(content)]
    assert outcome.doubtful_times(found, content) == expected


def test_events_are_counted() -> None:
    assert outcome.lengthless(annotations(video("a", (0, 1, "x")))) == []
    (sentence,) = outcome.lengthless(annotations(video("a", (1, 1, "x"), (1, 2, "x")), video("b", (0, 0, "y"))))
    assert sentence == "2 events without a length; --point-length SECONDS gives them one"


def test_nothing_and_the_age_of_the_universe_are_errors() -> None:
    with pytest.raises(InputError, match=r"a\.json: expected labelled segments, found none in 2 videos"):
        outcome.check(annotations(video("a"), video("b")))
    with pytest.raises(InputError, match=r"a\.json, video 'b': expected times of up to 1e\+09 s"):
        outcome.check(annotations(video("a", (0, 1, "x")), video("b", (0, 1.7e12, "x"))))
    outcome.check(annotations(video("a", (0, 1, "x")), video("b")))


def test_similar_labels_are_named_with_their_counts() -> None:
    content = annotations(video("a", (0, 1, "walk"), (1, 2, "walk"), (3, 4, "wlak")), video("b", (0, 1, "run")))
    (sentence,) = outcome.similar(content)
    assert "'walk' (2) and 'wlak' (1)" in sentence
    assert outcome.similar(annotations(video("a", (0, 1, "walk"), (0, 1, "run")))) == []


@given(st.lists(st.lists(st.sampled_from("xyz"), max_size=5), max_size=5))
def test_classes_add_up(labels: list[list[str]]) -> None:
    content = annotations(*(video(f"v{n}", *((0, 1, label) for label in own)) for n, own in enumerate(labels)))
    found = outcome.classes(content)
    assert sum(each.instances for each in found) == sum(map(len, labels))
    assert [each.label for each in found] == sorted({label for own in labels for label in own})
    assert all(each.videos == sum(each.label in own for own in labels) for each in found)


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), ("a", "a.mp4"), ("a.MOV", "a"), ("c/a.mp4", "c\\a"), ("cafe\u0301", "café.mp4")],
)
def test_one_video_under_two_names(first: str, second: str) -> None:
    parts = annotations(video(first), source="1.eaf"), annotations(video(second), source="2.csv")
    with pytest.raises(InputError, match="expected each video in one file, found it") as caught:
        Annotations.merge(parts)
    assert "1.eaf" in str(caught.value)
    assert "2.csv" in str(caught.value)
    assert first == second or f"as {first!r}" in str(caught.value)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("c/a", "d/a"), ("A", "a"), ("take 1.5", "take 1")])
def test_different_videos_are_merged(first: str, second: str) -> None:
    assert [*Annotations.merge([annotations(video(first)), annotations(video(second))]).videos] == [first, second]


# -- the command -------------------------------------------------------------------------------------------------


def entry(*instances: tuple[float, float, str], **more: object) -> dict:
    items = [{"segment": list(item[:2]), "label": item[2]} for item in instances]
    return {"subset": "training", **more, "annotations": items}


def rcl_import(folder: Path, database: dict[str, dict], *options: str) -> tuple[str, str]:
    (folder / "in.json").write_text(json.dumps({"database": database}))
    arguments = ["import", str(folder / "in.json"), "--output", str(folder / "out.csv"), *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


def test_import_says_what_it_found(tmp_path: Path) -> None:
    walks = [(n, n + 0.5, "walk") for n in range(3)]
    out, err = rcl_import(tmp_path, {"a": entry(*walks, duration=2.0), "b": entry((0, 1, "Walk"))}, "--subset", "val")
    assert out.splitlines()[1:] == ["  'walk': 3 instances in 1 video", "  'Walk': 1 instance in 1 video"]
    assert "'Walk' (1) and 'walk' (3)" in err
    assert "nothing happens" not in err
    assert "1 of 4 segments ends after the end of the video" in err
    assert (tmp_path / "out.csv").read_text().count("validation") == 4


def test_import_names_videos_without_a_segment(tmp_path: Path) -> None:
    _, err = rcl_import(tmp_path, {"a": entry((0, 1, "x")), "b": entry(), "c": entry()})
    assert "2 of 3 videos have no segment, which means that nothing happens there: 'b', 'c'." in err
    unreviewed = {"a": entry((0, 1, "x")), "b": entry(), "c": {**entry(), "reviewed": []}}
    _, err = rcl_import(tmp_path, unreviewed, "--overwrite")
    assert "1 of 3 videos has no segment, which means that nothing happens there: 'b'." in err


def test_import_names_events_and_names_that_may_be_one(tmp_path: Path) -> None:
    database = {"a": entry((1, 1, "x"), (1, 2, "x")), "cam1/A ": entry((0, 1, "x")), "b": entry((0, 1, "x"))}
    _, err = rcl_import(tmp_path, database)
    assert "rcl: 1 event without a length; --point-length SECONDS gives them one.\n" in err
    assert "names that may be meant to be one video: 'a' and 'cam1/A '." in err
    assert "without a length" not in rcl_import(tmp_path, database, "--point-length", "1", "--overwrite")[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip.csv", "video,start,end,label\nclip,2,2,walk\n"),
        ("clip.txt", "2\t2\twalk\n"),
        ("clip.tsv", "video\tstart\tend\tlabel\nclip\t2\t2\twalk\nclip\t3\t4\twalk\n"),
    ],
)
def test_every_format_says_events_once(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    arguments = ["import", str(tmp_path / name), "--output", str(tmp_path / "out.json")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.stderr.count("1 event without a length") == 1


def test_import_of_nothing_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labelled segments, found none in 1 video"):
        rcl_import(tmp_path, {"a": entry()})
    assert not (tmp_path / "out.csv").exists()


def test_import_lists_the_most_frequent_classes(tmp_path: Path) -> None:
    database = {f"v{n}": entry(*((0, 1, f"class {n}") for _ in range(n + 1))) for n in range(60)}
    lines = rcl_import(tmp_path, database)[0].splitlines()
    assert (lines[1], lines[-1]) == ("  'class 59': 60 instances in 1 video", "  and 10 more labels")


def test_repeated_warnings_are_counted(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("rcl")
    with few_of_each(3):
        for number in range(20):
            log.warning("%s: left out %d remarks", f"{number}.eaf", number)
        log.warning("something else")
    assert [record.getMessage() for record in caplog.records] == [
        "0.eaf: left out 0 remarks", "1.eaf: left out 1 remarks", "2.eaf: left out 2 remarks", "something else"
    ]  # fmt: skip
    assert "17 more warnings like this one: 19.eaf: left out 19 remarks" in capsys.readouterr().err
    log.warning("%s: left out %d remarks", "later", 1)
    assert len(caplog.records) == 5


# -- several files -----------------------------------------------------------------------------------------------


def files_of(folder: Path, paths: dict[str, list[str]]) -> list[Path]:
    for path, names in paths.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        database = {name: entry((0, 1, "x")) for name in names}
        (folder / path).write_text(json.dumps({"database": database}))
    return [folder / path for path in paths]


def test_files_of_one_name_in_several_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = {"cam1/001.json": ["001"], "cam2/001.json": ["001"], "cam2/002.json": ["002"]}
    assert [*import_files(files_of(tmp_path, own)).videos] == ["cam1/001", "cam2/001", "002"]
    assert "'001' in several folders is taken for several videos: 'cam1/001', 'cam2/001'" in caplog.text


@pytest.mark.parametrize(
    "paths",
    [
        {"a.json": ["001"], "b.json": ["001"]},
        {"x/a.json": ["001"], "y/b.json": ["001"]},
        {"x/a.json": ["001", "002"], "y/a.json": ["001", "003"]},
        {"x/a.json": ["001"], "y/a.json": ["001.mp4"]},
    ],
)
def test_other_files_have_each_video_once(paths: dict[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="each video in one file"):
        import_files(files_of(tmp_path, paths))


def test_a_few_times_outside_are_no_sign_of_another_unit() -> None:
    segments = [(0.1 * n, 0.1 * n + 0.1, f"x{n % 9}") for n in range(200)]
    (few,) = outcome.doubts(annotations(video("a", *segments, (90, 120, "x1"), duration=100)))
    assert few.endswith("of 100 s: check it")
    (many,) = outcome.doubts(annotations(video("a", *segments, *[(90, 120, "x1")] * 30, duration=100)))
    assert many.endswith("are the times in another unit?")


def test_videos_for_testing_may_have_labels_that_are_kept_back() -> None:
    empty, testing = video("b"), video("c", subset="testing")
    (sentence,) = outcome.negatives(annotations(video("a", (0, 1, "x")), empty, testing))
    assert sentence.startswith("1 of 2 videos has no segment")
    assert sentence.endswith("'b'")


def test_an_example_of_what_is_there_twice_is_named_once() -> None:
    (sentence,) = outcome.doubled(annotations(video("a", *[(0, 5, "x")] * 3)))
    assert sentence == "2 instances written more than once: 'x' from 0 to 5 s in 'a'"


def test_two_usual_labels_are_not_slips_of_each_other() -> None:
    def said(*counts: int) -> list[str]:
        labels = [label for label, count in zip(("Curling", "Hurling"), counts, strict=True) for _ in range(count)]
        return outcome.similar_classes(annotations(video("a", *[(0, 1, label) for label in labels])))

    assert said(40, 30) == []
    assert said(40, 3) == ["labels that may be meant to be one: 'Curling' (40) and 'Hurling' (3)"]
