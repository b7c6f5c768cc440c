"""Projects of VIA 3 of all sorts: attributes, views, media; and files of other tools that look alike."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.formats.load import import_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.via.project import is_via, parse
from rcl.system.errors import InputError
from replaced import odd_values, replaced


def attribute(name: str, anchor: str = "FILE1_Z2_XY0", kind: int = 4, **options: str) -> dict[str, Any]:
    return {"aname": name, "anchor_id": anchor, "type": kind, "desc": "", "options": options, "default_option_id": ""}


def file(name: str, kind: int = 4, **more: Any) -> dict[str, Any]:
    return {"fid": "1", "fname": name, "type": kind, "loc": 1, "src": "", **more}


def segment(view: str, start: float, end: float, **values: str) -> dict[str, Any]:
    named = {key.removeprefix("a"): value for key, value in values.items()}
    return {"vid": view, "flg": 0, "z": [start, end], "xy": [], "av": named}


def project(attributes: list[dict], files: list[dict], views: list[list[int]], metadata: list[dict]) -> dict[str, Any]:
    return {
        "project": {"pid": "p", "data_format_version": "3.1.1"},
        "config": {},
        "attribute": {str(n): each for n, each in enumerate(attributes, 1)},
        "file": {str(n): each for n, each in enumerate(files, 1)},
        "view": {str(n): {"fid_list": each} for n, each in enumerate(views, 1)},
        "metadata": {f"m{n}": each for n, each in enumerate(metadata, 1)},
    }


def read(data: dict, **options: Any) -> dict[str, list[tuple[float, float, str]]]:
    videos = parse(data, "v.json", options=ReadOptions(**options)).videos
    return {
        name: [(*pair, label) for pair, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)]
        for name, video in videos.items()
    }


HAND, ACT = attribute("Hand", l="left", r="right"), attribute("Act", c="cut", p="pour")
DEFAULT = attribute("temporal-segments", kind=1)


def of(*attributes: dict, files: list[dict] | None = None, views: list[list[int]] | None = None) -> dict:
    both = [segment("1", 1, 2, a1="l", a2="c"), segment("1", 3, 4, a1="r", a2="p")]
    return project([*attributes], files or [file("egg.mp4")], views or [[1]], both)


def test_the_attribute_that_labels(caplog: pytest.LogCaptureFixture) -> None:
    assert read(of(HAND, ACT)) == {"egg": [(1, 2, "left"), (3, 4, "right")]}
    assert "the label is the attribute 'Hand'; left out: 'Act'; --tier chooses" in caplog.text
    caplog.clear()
    assert read(of(HAND, ACT), tiers=("Act",)) == {"egg": [(1, 2, "cut"), (3, 4, "pour")]}
    assert [row[2] for row in read(of(HAND, ACT), tiers=("Act", "Hand"))["egg"]] == ["left", "cut", "right", "pour"]
    assert read(of(HAND, DEFAULT)) == {"egg": [(1, 2, "c"), (3, 4, "p")]}
    with pytest.raises(
        InputError, match=r"an attribute 'act' of temporal segments, found 'Hand', 'Act'; correct --tier"
    ):
        read(of(HAND, ACT), tiers=("act",))


@pytest.mark.parametrize("other", [attribute("score", kind=1), attribute("box", "FILE1_Z1_XY1")])
def test_one_attribute_needs_no_word(other: dict, caplog: pytest.LogCaptureFixture) -> None:
    data = of(HAND, other)
    for item in data["metadata"].values():
        item["av"] = {"1": item["av"]["1"], **({"2": "0.5"} if other["aname"] == "score" else {})}
    assert read(data) == {"egg": [(1, 2, "left"), (3, 4, "right")]}
    assert caplog.text == ""


def test_several_chosen_attributes_need_not_all_have_a_value() -> None:
    data = project([HAND, ACT], [file("egg.mp4")], [[1]], [segment("1", 1, 2, a1="", a2="c")])
    assert read(data, tiers=("Hand", "Act")) == {"egg": [(1, 2, "cut")]}
    with pytest.raises(InputError, match="metadata 'm1': expected the name of an action"):
        read(data)


# -- views -------------------------------------------------------------------------------------------------------

TWO = [file("egg front.mp4"), file("egg side.mp4")]


@pytest.mark.parametrize(
    ("files", "media", "name", "said"),
    [
        (TWO, None, "egg front", "1 view with several videos or with sound only; the first is taken; --media chooses"),
        (TWO, "*side*", "egg side", ""),
        (TWO, "2", "egg side", ""),
        (TWO, "egg side", "egg side", ""),
        ([file("egg.wav", 8), file("egg side.mp4")], None, "egg side", ""),
    ],
)
def test_views_of_several_files(
    files: list[dict], media: str | None, name: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert [*read(of(HAND, files=files, views=[[1, 2]]), media=media)] == [name]
    assert said in caplog.text


def test_sound_only_and_images_are_said(caplog: pytest.LogCaptureFixture) -> None:
    data = of(HAND, files=[file("egg.wav", 8), file("pan.jpg", 2)], views=[[1], [2]])
    assert [*read(data)] == ["egg"]
    assert "1 view with several videos or with sound only" in caplog.text
    assert "left out 1 image" in caplog.text


def test_folders_tell_equal_names_apart() -> None:
    files = [file("day1/001.mp4"), file("day2/001.mp4"), file("", src="file:///v/002.mp4")]
    data = project([HAND], files, [[1], [2], [3]], [segment("2", 1, 2, a1="l")])
    assert read(data) == {"day1/001": [], "day2/001": [(1, 2, "left")], "002": []}
    with pytest.raises(InputError, match=r"view '1': .*correct --media"):
        read(data, media="*side*")


@pytest.mark.parametrize("value", ["gone", "_DEFAULT"])
def test_values_that_are_no_options_are_said(value: str, caplog: pytest.LogCaptureFixture) -> None:
    data = of(HAND)
    read(data)
    assert "options" not in caplog.text
    data["metadata"]["x"] = segment("1", 1, 2, a1=value)
    assert value in [row[2] for row in read(data)["egg"]]
    assert f"labels that are no options of the attribute in VIA: '{value}' (1)" in caplog.text


def test_free_text_has_no_options(caplog: pytest.LogCaptureFixture) -> None:
    data = of(attribute("note", kind=1, l="left"))
    data["metadata"] = {"x": segment("1", 1, 2, a1="crawl")}
    assert read(data) == {"egg": [(1, 2, "crawl")]}
    assert caplog.text == ""


def test_addresses_are_decoded() -> None:
    files = [file("https://x.org/a/egg%20two.mp4?t=1"), file("100%25.mp4"), file("", src="file:///v/a%20b.mp4")]
    assert [*read(of(HAND, files=files, views=[[1], [2], [3]]))] == ["egg two", "100%25", "a b"]


def test_points_and_regions_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    data = of(HAND)
    data["metadata"]["p"] = {"vid": "1", "z": [1.5], "xy": [], "av": {"1": "l"}}
    data["metadata"]["r"] = {"vid": "1", "z": [1.5, 2], "xy": [2, 1, 1, 5, 5], "av": {"1": "l"}}
    assert len(read(data)["egg"]) == 2
    assert "left out 2 items other than temporal segments" in caplog.text


@given(st.lists(st.integers(0, 9), min_size=2, max_size=7), odd_values)
def test_a_wrong_value_anywhere_is_read_or_refused(path: list[int], new: Any) -> None:
    data = replaced(of(HAND, ACT, files=TWO, views=[[1, 2], [2]]), path, new)
    with contextlib.suppress(InputError):
        if is_via(data):
            parse(data, "v.json")


# -- files of other tools ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            {"_via_settings": {}, "_via_img_metadata": {}, "_via_attributes": {}},
            "VIA 2, for images; label segments of the videos in VIA 3",
        ),
        ({"info": {}, "images": [], "annotations": [], "categories": []}, "COCO annotations, of images"),
        ({"version": "5.0", "shapes": [], "imagePath": "a.png"}, "a file of LabelMe"),
        ({"samples": [{"filepath": "a.mp4"}]}, "export it as fiftyone.types.FiftyOneTemporalDetectionDataset"),
        ({"v": {"annotations": [{"segment": [1, 2], "label": "a"}]}}, 'videos without "duration_second"; add it'),
        ({"something": 1}, "the keys something"),
        ({}, "the keys (none)"),
    ],
)
def test_other_files_are_refused_by_name(data: dict, found: str, tmp_path: Path) -> None:
    path = tmp_path / "o.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError) as caught:
        import_annotations(path)
    assert found in str(caught.value)
    assert all(name in str(caught.value) for name in ("ActivityNet", "BMN", "Label Studio", "VIA 3"))
