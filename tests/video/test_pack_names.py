"""The names of videos in a pack, and their labels there: both stay whatever is extracted or labelled later."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.data.matching import match_annotations
from rcl.system.errors import InputError
from rcl.video.extract_many import extract_many
from rcl.video.extraction import choose_extraction
from rcl.video.finding import find_videos
from rcl.video.pack_labels import WAITING
from rcl.video.packs import Outcome, PackWriter
from rcl.video.records import names_in_pack
from rendered import render
from typed import Rcl

SMALL = {"rate": 10.0, "window": 3, "stride": 4}
TYPED = ("--rate", "10", "--window", "3", "--stride", "4", "--workers", "1")

Extract = Callable[..., dict[str, Outcome]]


@pytest.fixture
def pack(tmp_path: Path) -> PackWriter:
    return PackWriter(tmp_path / "pack", choose_extraction("motion", **SMALL)[1])


@pytest.fixture
def extract(pack: PackWriter) -> Extract:
    """Extract videos as ``rcl extract`` does; the outcomes by name."""

    def run(*paths: Path) -> dict[str, Outcome]:
        videos = names_in_pack(pack.root, find_videos(paths)[0])
        return {outcome.video: outcome for outcome in extract_many(pack, videos)}

    return run


@pytest.fixture
def cameras(tmp_path: Path) -> Path:
    """Two folders with the same file names."""
    folder = tmp_path / "cameras"
    for number, name in enumerate(("cam1/001", "cam1/002", "cam2/001")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        render(folder / f"{name}.mp4", frames=8 + number, rate=10)
    return folder


def news(outcomes: dict[str, Outcome]) -> list[str]:
    """The names of what was extracted. All must have worked."""
    assert not [outcome.error for outcome in outcomes.values() if outcome.error]
    return [name for name, outcome in outcomes.items() if outcome.new]


def labels(tmp_path: Path, *rows: str) -> Annotations:
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["video,start,end,label,subset", *rows, ""]))
    return load_annotations(table, clip=False)


def in_pack(pack: PackWriter) -> dict[str, tuple[str, ...]]:
    return {name: video.labels for name, video in load_annotations(pack.root / "annotations.json").videos.items()}


def waiting(pack: PackWriter) -> dict[str, tuple[str, ...]]:
    path = pack.root / WAITING
    return {name: video.labels for name, video in load_annotations(path).videos.items()} if path.exists() else {}


# -- names -------------------------------------------------------------------------------------------------------


def test_equal_file_names_in_folders_are_several_videos(pack: PackWriter, extract: Extract, cameras: Path) -> None:
    assert news(extract(cameras)) == ["cam1/001", "cam1/002", "cam2/001"]
    assert news(extract(cameras)) == []
    for part, suffix in (("features", "npy"), ("times", "npy"), ("records", "json")):
        assert (pack.root / part / "cam2" / f"001.{suffix}").is_file()
    assert pack.names() == ["cam1/001", "cam1/002", "cam2/001"]


def test_one_folder_after_the_other(pack: PackWriter, extract: Extract, cameras: Path) -> None:
    assert news(extract(cameras / "cam1")) == ["001", "002"]
    assert news(extract(cameras / "cam2")) == ["cam2/001"]
    for again in (["cam1"], ["cam2"], ["cam1", "cam2"], ["."], ["cam2/001.mp4"]):
        assert news(extract(*(cameras / folder for folder in again))) == []
    assert pack.names() == ["001", "002", "cam2/001"]
    assert {outcome.video: outcome.new for outcome in extract(cameras).values()} == dict.fromkeys(pack.names(), False)


def test_packs_of_earlier_versions_keep_their_names(pack: PackWriter, extract: Extract, cameras: Path) -> None:
    list(extract_many(pack, {"001": cameras / "cam2" / "001.mp4", "002": cameras / "cam1" / "002.mp4"}))
    assert news(extract(cameras)) == ["cam1/001"]
    assert pack.names() == ["001", "002", "cam1/001"]


@pytest.mark.parametrize("old", [["001", "002", "cam2/001"], ["cam1/001", "cam1/002", "cam2/001"]])
def test_a_folder_that_moved_is_the_same(
    pack: PackWriter, extract: Extract, cameras: Path, tmp_path: Path, old: list[str]
) -> None:
    list(extract_many(pack, dict(zip(old, find_videos([cameras])[0].values(), strict=True))))
    moved = tmp_path / "elsewhere"
    cameras.rename(moved)
    assert news(extract(moved)) == []
    assert pack.names() == old


def test_a_copy_is_another_video(pack: PackWriter, extract: Extract, cameras: Path) -> None:
    shutil.copy2(cameras / "cam1" / "002.mp4", cameras / "cam2" / "002.mp4")  # of the same size and time
    assert news(extract(cameras / "cam1")) == ["001", "002"]
    assert news(extract(cameras / "cam2")) == ["cam2/001", "cam2/002"]


def test_a_file_that_took_the_place_of_another_is_said(
    extract: Extract, cameras: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    extract(cameras / "cam1")
    shutil.rmtree(cameras / "cam1")
    assert news(extract(cameras / "cam2")) == ["001"]
    assert "video '001' is now" in caplog.text


def test_names_lead_nowhere_else(pack: PackWriter, cameras: Path, tmp_path: Path) -> None:
    for name in ("../x", "/x", "a/../../x"):
        outcome = pack.extract_one(name, cameras / "cam1" / "001.mp4")
        assert "which leaves the folder" in str(outcome.error)
    assert {path.name for path in tmp_path.iterdir()} == {"pack", "cameras"}


# -- labels ------------------------------------------------------------------------------------------------------


def test_no_later_command_drops_labels(
    pack: PackWriter, extract: Extract, cameras: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    extract(cameras)
    pack.annotate(labels(tmp_path, "cam1/001,0,0.5,x,training", "cam1/002,0,0.5,y,validation"))
    expected = {"cam1/001": ("x",), "cam1/002": ("y",), "cam2/001": ()}
    assert in_pack(pack) == expected
    pack.annotate()
    pack.annotate(labels(tmp_path, "cam2/001,0,0.5,z,training"))
    assert in_pack(pack) == {**expected, "cam2/001": ("z",)}
    assert not caplog.text
    pack.annotate(labels(tmp_path, "cam1/001,,,,training"))
    assert "fewer labelled segments replace those of 'cam1/001' (1 before, 0 now)" in caplog.text


def test_labels_of_a_video_that_cannot_be_read_wait_for_it(pack: PackWriter, extract: Extract, cameras: Path) -> None:
    extract(cameras)
    given = labels(cameras, "cam1/001,0,0.5,x,validation", "cam1/002,0,0.5,y,training", "cam2/001,,,,training")
    pack.annotate(given)
    video = cameras / "cam1" / "001.mp4"
    whole, times = video.read_bytes(), video.stat()
    for broken in ("cam1/001", "cam2/001"):
        (cameras / f"{broken}.mp4").write_text("damaged")
    assert [name for name, outcome in extract(cameras).items() if outcome.error] == ["cam1/001", "cam2/001"]
    pack.annotate()
    assert in_pack(pack) == {"cam1/002": ("y",)}
    assert waiting(pack) == {"cam1/001": ("x",), "cam2/001": ()}  # to say that nothing happens is a label, too
    video.write_bytes(whole)
    os.utime(video, ns=(times.st_atime_ns, times.st_mtime_ns))
    extract(cameras)
    found = pack.annotate()
    assert in_pack(pack) == {"cam1/001": ("x",), "cam1/002": ("y",)}
    assert found.videos["cam1/001"].subset == "validation"
    assert waiting(pack) == {"cam2/001": ()}


def test_labels_may_come_before_the_video(pack: PackWriter, extract: Extract, cameras: Path, tmp_path: Path) -> None:
    extract(cameras / "cam1")
    pack.annotate(labels(tmp_path, "001,0,0.5,x,training", r"cam2\001.mp4,0.1,0.4,z,training"))
    assert waiting(pack) == {r"cam2\001.mp4": ("z",)}
    extract(cameras / "cam2")
    pack.annotate()
    assert in_pack(pack) == {"001": ("x",), "002": (), "cam2/001": ("z",)}
    assert not (pack.root / WAITING).exists()


def test_damaged_labels_are_not_replaced(pack: PackWriter, extract: Extract, cameras: Path) -> None:
    extract(cameras)
    pack.annotate()
    (pack.root / "annotations.json").write_text('{"database": {')
    with pytest.raises(InputError, match=r"annotations\.json"):
        pack.annotate()
    assert (pack.root / "annotations.json").read_text() == '{"database": {'


def test_an_interruption_between_the_two_files_loses_nothing(
    pack: PackWriter, extract: Extract, cameras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def labels_in_both() -> set[str]:
        return {label for known in (in_pack(pack), waiting(pack)) for names in known.values() for label in names}

    extract(cameras / "cam1")
    pack.annotate(labels(tmp_path, "001,0,0.5,x,training", "002,0,0.5,y,training", "cam2/001,0,0.5,z,training"))
    (pack.root / "records" / "002.json").unlink()
    extract(cameras / "cam2")
    from rcl.video import pack_labels

    save, written = pack_labels.save_annotations, []

    def save_and_check(annotations: Annotations, path: Path) -> None:
        save(annotations, path)
        written.append(path.name)
        assert labels_in_both() == {"x", "y", "z"}

    monkeypatch.setattr(pack_labels, "save_annotations", save_and_check)
    pack.annotate()
    assert "annotations.json" in written
    assert waiting(pack) == {"002": ("y",)}


# -- labels by the names of videos -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cam1/001", "001"),
        ("data/cam1/001.mp4", "001"),
        (r"C:\data\cam2\001.mp4", "cam2/001"),
        ("cam2/001.avi", "cam2/001"),
        ("clip.avi", "clip.avi"),
        ("clip.mp4", "clip"),
        ("Clip.mp4", None),
        ("003", None),
    ],
)
def test_labels_name_videos_or_their_files(tmp_path: Path, name: str, meant: str | None) -> None:
    files = {"001": "cam1/001.mp4", "cam2/001": "cam2/001.mp4", "clip": "x/clip.mp4", "clip.avi": "x/clip.avi"}
    videos = {name: Path("/data") / file for name, file in files.items()}
    annotations, match = match_annotations(labels(tmp_path, f"{name},0,1,x,training"), videos)
    assert [*annotations.videos] == [meant or name]
    assert match.missing == (() if meant else (name,))
    assert ("'Clip.mp4' (did you mean 'clip'?)" in match.describe_missing()) == (name == "Clip.mp4")


@pytest.mark.parametrize(("folder", "other"), [("cam1", "cam2"), ("cam2", "cam1"), ("a/cam1", "b/cam1")])
def test_labels_of_several_folders_fit_the_one_that_is_given(tmp_path: Path, folder: str, other: str) -> None:
    given = labels(tmp_path, f"{other}/001.mp4,0,1,x,training", f"{folder}/001.mp4,2,3,y,training")
    annotations, match = match_annotations(given, {"001": Path("/data") / folder / "001.mp4"})
    assert annotations.videos["001"].labels == ("y",)
    assert match.missing == (f"{other}/001.mp4",)
    assert annotations.videos[f"{other}/001.mp4"].labels == ("x",)


def test_of_two_names_that_both_fit_a_file_none_is_chosen(tmp_path: Path) -> None:
    for first, second, file in [("001", "cam1/001.mp4", "cam1/001.mp4"), ("x/001", "y/001", "z/001.mp4")]:
        given = labels(tmp_path, f"{first},0,1,x,training", f"{second},2,3,y,training")
        with pytest.raises(InputError, match="one name for the video '001'"):
            match_annotations(given, {"001": Path("/data") / file})


def test_two_names_of_one_video_are_refused(tmp_path: Path) -> None:
    given = labels(tmp_path, "films/a.mp4,0,1,x,training", "a,1,2,y,training")
    with pytest.raises(InputError, match=r"one name for the video 'a', found 'films/a\.mp4' and 'a'"):
        match_annotations(given, ["a", "b"])


def test_extract_says_what_it_matched(cameras: Path, tmp_path: Path, rcl_: Rcl) -> None:
    labels(tmp_path, "cam1/001.mp4,0,0.5,kick,training", "CAM2/001.mp4,0,0.5,Kick ,training")
    command = ("extract", cameras, "--output", tmp_path / "pack", *TYPED, "--labels", tmp_path / "labels.csv")
    told = rcl_(*command)
    assert told.status == 0, told.err
    assert "the labels name videos that were not found: 'CAM2/001.mp4' (did you mean 'cam" in told.err
    assert "1 of 3 videos has labels; these videos have no labels: 'cam1/002', 'cam2/001'." in told.err
    assert "labels that may be meant to be the same: 'Kick' (1) and 'kick' (1)." in told.err
    database = json.loads((tmp_path / "pack" / "annotations.json").read_text())["database"]
    assert [*database] == ["cam1/001", "cam1/002", "cam2/001"]
    labels(tmp_path, "other,0,0.5,kick,training")
    told = rcl_(*command)
    assert (told.status, "found labels of 'other', videos 'cam1/001'" in told.err) == (2, True)
