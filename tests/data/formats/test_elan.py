"""Files of ELAN of all sorts: tiers, vocabularies, annotations that refer to others, media, units."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.formats.elan.reading import parse
from rcl.data.formats.load import load_annotations
from rcl.data.formats.media import choose_media
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import Defect, InputError

VIDEO = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/rec/talk.mpg" MIME_TYPE="video/mpeg" RELATIVE_MEDIA_URL="./talk.mpg"/>'
SOUND = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/rec/mic.wav" MIME_TYPE="audio/x-wav" TIME_ORIGIN="2000"/>'
SIDE = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/rec/talk%20side.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="1000"/>'
TAKEN = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/rec/mic.wav" EXTRACTED_FROM="file:///C:/rec/talk.mpg"/>'


def aligned(key: str, start: int, end: int, value: str = "", **more: str) -> str:
    rest = " ".join(f"{name}={quoteattr(text)}" for name, text in more.items())
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{key}" TIME_SLOT_REF1="t{start}" TIME_SLOT_REF2="t{end}" '
        f"{rest}><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def referring(key: str, parent: str, value: str) -> str:
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{key}" ANNOTATION_REF="{parent}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def tier(name: str, *annotations: str) -> str:
    return f'<TIER TIER_ID={quoteattr(name)} LINGUISTIC_TYPE_REF="l">{"".join(annotations)}</TIER>'


def document(*tiers: str, media: str = VIDEO, header: str = 'TIME_UNITS="milliseconds"', rest: str = "") -> str:
    slots = "".join(f'<TIME_SLOT TIME_SLOT_ID="t{n}" TIME_VALUE="{n * 1000}"/>' for n in range(10))
    return (
        f"<ANNOTATION_DOCUMENT><HEADER {header}>{media}</HEADER><TIME_ORDER>{slots}</TIME_ORDER>"
        f"{''.join(tiers)}{rest}</ANNOTATION_DOCUMENT>"
    )


def read(text: str, **options: object) -> tuple[str, list[tuple[float, float, str]]]:
    annotations = parse(text, "x.eaf", file_name="x.eaf", options=ReadOptions(**options))  # type: ignore[arg-type]
    (video,) = annotations.videos.values()
    return video.name, [
        (*pair, label) for pair, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]


# -- tiers -------------------------------------------------------------------------------------------------------

MARKS = {
    "one mark": ("x", "x", "x"),
    "running numbers": ("1", "2", "1."),
    "some without": ("", "x", ""),
}


@pytest.mark.parametrize("case", MARKS)
def test_tiers_may_be_the_labels(case: str, caplog: pytest.LogCaptureFixture) -> None:
    first, second, third = MARKS[case]
    text = document(
        tier("wave", aligned("a", 1, 2, first), aligned("b", 3, 4, second)), tier("nod", aligned("c", 2, 5, third))
    )
    assert len(read(text)[1]) == 3
    assert "every annotation of the tiers 'wave', 'nod' says" in caplog.text
    assert "--tier-as-label" in caplog.text
    caplog.clear()
    assert read(text, tier_as_label=True)[1] == [(1.0, 2.0, "wave"), (2.0, 5.0, "nod"), (3.0, 4.0, "wave")]
    assert caplog.text == ""


@pytest.mark.parametrize(
    "tiers",
    [
        [tier("wave", aligned("a", 1, 2), aligned("b", 3, 4)), tier("nod", aligned("c", 2, 5))],  # labels already
        [tier("wave", aligned("a", 1, 2, "wave")), tier("2", aligned("b", 1, 2, "2"))],
        [tier("left", aligned("a", 1, 2, "up")), tier("right", aligned("b", 1, 2, "down"))],
        [tier("left", aligned("a", 1, 2, "up"), aligned("b", 2, 3, "up"))],
        [tier("walk", aligned("a", 1, 4, "walk")), tier("walk (2)", aligned("b", 2, 3, "walk"))],
        [],
    ],
)
def test_labels_are_not_taken_for_marks(tiers: list[str], caplog: pytest.LogCaptureFixture) -> None:
    read(document(*tiers))
    assert "--tier-as-label" not in caplog.text


def test_several_tiers_with_values_are_named(caplog: pytest.LogCaptureFixture) -> None:
    text = document(
        tier("act", aligned("a", 1, 2, "up"), aligned("b", 3, 4, "down")), tier("notes", aligned("c", 1, 4, "hm"))
    )
    read(text)
    assert "the labels are the values of 2 tiers: 'act' (2 labels), 'notes' (1 label); --tier chooses" in caplog.text
    caplog.clear()
    read(text, tiers=("act",))
    read(text, tier_as_label=True)
    read(document(tier("act", aligned("a", 1, 2, "up")), tier("empty")))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ([aligned("a", 1, 2, "up"), aligned("b", 3, 4)], "1 annotation without a value has the name of the tier"),
        ([aligned("a", 1, 2, CVE_REF="c9")], "'act' (1); no vocabulary of the file has the entry"),
        ([aligned("a", 1, 2), aligned("b", 3, 4)], ""),
        ([aligned("a", 1, 2, "up", CVE_REF="c9")], ""),
    ],
)
def test_tiers_in_place_of_values_are_said(annotations: list[str], said: str, caplog: pytest.LogCaptureFixture) -> None:
    read(document(tier("act", *annotations)))
    assert said in caplog.text
    assert (said == "") == (caplog.text == "")


def test_tiers_can_be_chosen() -> None:
    text = document(
        tier("wave", aligned("a", 1, 2, "up")),
        tier("wave (2)", aligned("b", 1, 3)),
        tier("note", aligned("c", 2, 5, "?")),
    )
    assert read(text, tiers=("wave",))[1] == [(1.0, 2.0, "up"), (1.0, 3.0, "wave")]
    assert read(text, tiers=("note", "missing"))[1] == [(2.0, 5.0, "?")]
    with pytest.raises(
        InputError, match=r"x\.eaf: expected a tier 'wav', found 'note', 'wave', 'wave \(2\)'; correct --tier"
    ):
        read(text, tiers=("wav",))


def test_annotators_can_be_chosen() -> None:
    own = tier("wave", aligned("a", 1, 2)).replace("<TIER", '<TIER ANNOTATOR="Anna"')
    text = document(own, tier("nod", aligned("b", 3, 4)), own.replace("Anna", "Ben").replace("wave", "nap"))
    assert read(text, annotator="anna")[1] == [(1.0, 2.0, "wave")]
    assert len(read(text)[1]) == 3
    with pytest.raises(InputError, match="tiers of the annotator 'Bob', found 'Anna', 'Ben'; correct --annotator"):
        read(text, annotator="Bob")


def test_annotations_that_refer_to_others(caplog: pytest.LogCaptureFixture) -> None:
    text = document(
        tier("unit", aligned("a", 1, 3, "1"), aligned("b", 4, 5, "2")),
        tier("act", referring("r", "a", "wave"), referring("s", "b", "nod")),
        tier("words", referring("u", "r", "he"), referring("v", "r", "llo"), referring("w", "nowhere", "lost")),
    )
    assert [row[2] for row in read(text)[1]] == ["1", "2"]
    assert "left out 5 annotations without times of their own, in 'act', 'words'; --tier reads" in caplog.text
    assert read(text, tiers=("act",))[1] == [(1.0, 3.0, "wave"), (4.0, 5.0, "nod")]
    assert read(text, tiers=("words",))[1] == [(1.0, 2.0, "he"), (2.0, 3.0, "llo")]
    assert "left out 1 annotation without times of their own, in 'words'" in caplog.text


def test_annotations_that_refer_in_a_circle_have_no_times() -> None:
    text = document(tier("act", referring("r", "s", "wave"), referring("s", "r", "nod"), referring("t", "t", "self")))
    assert read(text, tiers=("act",))[1] == []


@given(st.integers(1, 9), st.integers(1, 5))
def test_parts_fill_what_they_refer_to(count: int, length: int) -> None:
    parts = [referring(f"p{n}", "a", f"w{n}") for n in range(count)]
    rows = read(document(tier("unit", aligned("a", 2, 2 + length, "all")), tier("part", *parts)), tiers=("part",))[1]
    times = np.array([row[:2] for row in rows])
    assert (times[0, 0], times[-1, 1]) == (2.0, 2.0 + length)
    assert np.array_equal(times[1:, 0], times[:-1, 1])
    assert np.allclose(np.diff(times), length / count)


def test_entries_of_vocabularies() -> None:
    words = (
        '<CONTROLLED_VOCABULARY CV_ID="acts"><CV_ENTRY_ML CVE_ID="c1"><CVE_VALUE LANG_REF="eng">wave</CVE_VALUE>'
        '<CVE_VALUE LANG_REF="deu">winken</CVE_VALUE></CV_ENTRY_ML></CONTROLLED_VOCABULARY>'
    )
    acts = tier(
        "act",
        aligned("a", 1, 2, CVE_REF="c1"),
        aligned("b", 3, 4, "nod", CVE_REF="c1"),
        aligned("c", 5, 6, CVE_REF="c9"),
    )
    assert [row[2] for row in read(document(acts, rest=words))[1]] == ["wave", "nod", "act"]


# -- slots without a time -----------------------------------------------------------------------------------------


def without(text: str, *slots: int) -> str:
    for slot in slots:
        text = text.replace(f' TIME_VALUE="{slot * 1000}"', "")
    return text


@given(st.integers(0, 4), st.integers(2, 5))
def test_slots_without_a_time_are_spread_evenly(first: int, count: int) -> None:
    last = first + count
    chain = [aligned(f"a{n}", n, n + 1, f"w{n}") for n in range(first, last)]
    other = tier("other", aligned("o", first, last, "x"))
    rows = read(without(document(tier("act", *chain), other), *range(first + 1, last)), tiers=("act",))[1]
    assert [row[2] for row in rows] == [f"w{n}" for n in range(first, last)]
    assert np.allclose([row[0] for row in rows], range(first, last))
    assert np.allclose([row[1] for row in rows], range(first + 1, last + 1))


def test_neighbours_are_those_of_the_tier(caplog: pytest.LogCaptureFixture) -> None:
    act = tier("act", aligned("a", 1, 3, "up"), aligned("b", 3, 9, "down"))
    text = without(document(act, tier("other", aligned("c", 2, 4, "x"))), 3)
    assert read(text, tiers=("act",))[1] == [(1.0, 5.0, "up"), (5.0, 9.0, "down")]
    assert "1 time slot without a time is spread evenly" in caplog.text


def test_slots_beside_no_time_lose_their_annotation(caplog: pytest.LogCaptureFixture) -> None:
    text = without(document(tier("act", aligned("a", 1, 2, "up"), aligned("b", 8, 9, "down"))), 9)
    assert read(text)[1] == [(1.0, 2.0, "up")]
    assert "left out 1 annotation without a time, in 'act': place it in ELAN" in caplog.text
    assert "--tier" not in caplog.text


# -- media -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media", "wanted", "name", "start", "said"),
    [
        (VIDEO, None, "talk", 1.0, ""),
        (SOUND + VIDEO, None, "talk", 1.0, ""),
        (VIDEO + SOUND, None, "talk", 1.0, ""),
        (SOUND, None, "mic", 3.0, "links sound; the video is taken to be 'mic'; --media names another"),
        (TAKEN, None, "talk", 1.0, ""),
        (VIDEO + TAKEN, None, "talk", 1.0, ""),
        (VIDEO + SIDE, None, "talk", 1.0, "links 2 media files; the video is taken to be 'talk'; --media"),
        (VIDEO + SIDE, "talk side", "talk side", 2.0, ""),
        (VIDEO + SIDE, "talk side.mp4", "talk side", 2.0, ""),
        (VIDEO + SIDE, "*SIDE*", "talk side", 2.0, ""),
        (VIDEO + SIDE, "2", "talk side", 2.0, ""),
        (SOUND + VIDEO, "mic.wav", "mic", 3.0, ""),
        ("", None, "x", 1.0, ""),
        ("", "elsewhere.mp4", "elsewhere", 1.0, ""),
        ('<MEDIA_DESCRIPTOR MEDIA_URL=""/>', None, "x", 1.0, ""),
    ],
)
def test_the_video_among_the_media(
    media: str, wanted: str | None, name: str, start: float, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, rows = read(document(tier("act", aligned("a", 1, 2, "wave")), media=media), media=wanted)
    assert (found, rows) == (name, [(start, start + 1, "wave")])
    assert said in caplog.text
    assert (said == "") == (caplog.text == "")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://www.youtube.com/watch?v=abc-123&amp;t=5", "abc-123"),
        ("https://youtu.be/abc-123", "abc-123"),
        ("https://x.org/rec/talk%20one.mp4?raw=1", "talk one"),
        ("file:///C:/rec/take #1.mp4", "take #1"),
        ("./talk%20one.mp4", "talk one"),
    ],
)
def test_addresses_of_media(address: str, name: str) -> None:
    assert read(document(media=f'<MEDIA_DESCRIPTOR MEDIA_URL="{address}"/>'))[0] == name


def test_old_files_name_the_video_in_the_header() -> None:
    assert read(document(media="", header='MEDIA_FILE="file:///D:/old.mpg" TIME_UNITS="milliseconds"'))[0] == "old"


@pytest.mark.parametrize("wanted", ["9", "0", "*", "walk", "*x*"])
def test_media_that_are_not_there(wanted: str) -> None:
    with pytest.raises(Defect, match=r"correct --media"):
        choose_media(["./talk.mpg", "rec/talk side.mp4"], wanted)


# -- units -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "fps", "step"), [("milliseconds", None, 1), ("seconds", None, 1000), ("frames", 25.0, 40)]
)
def test_other_units(times: str, fps: float | None, step: float) -> None:
    text = document(tier("act", aligned("a", 1, 2, "wave")), header='TIME_UNITS="PAL-frames"')
    (row,) = read(text, times=times, fps=fps)[1]
    assert row == (step, 2 * step, "wave")
    with pytest.raises(InputError, match=r"times in milliseconds, found PAL-frames; .*--times"):
        read(text)
    with pytest.raises(InputError, match="found frames"):
        read(text, times="frames")


def test_fit_reads_what_import_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.eaf"
    path.write_text(document(tier("act", aligned("a", 1, 2, "wave"))))
    assert load_annotations(path).videos["talk"].labels == ("wave",)
