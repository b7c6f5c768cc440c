"""Packs of several streams: each is extracted, resumed and refused on its own, and all have the same names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rcl.data.formats.load import load_annotations
from rcl.data.stores import open_store
from rcl.data.streams import read_streams
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.names import backbone_of_each, split_backbones
from rcl.video.backbones.options import BackboneOptions
from rcl.video.choosing import choose_extractors, stream_names
from rcl.video.extract_many import extract_many
from rcl.video.extraction import choose_extraction, extract_features
from rcl.video.finding import find_videos
from rcl.video.packs import PackWriter
from rcl.video.records import names_in_pack, records_of_pack, share_files
from rcl.video.settings import ExtractionSettings, StreamSettings, difference, parse_settings, read_settings
from rendered import render
from typed import Rcl

COLOR = f"{__name__}:MeanColor"
MOTION = ExtractionSettings(backbone="motion", rate=10, window=3, stride=2)


class MeanColor:
    """A backbone: the mean color of a snippet."""

    rate, window, stride, fixed_window = 15.0, 8, 4, None

    def __init__(self, size: int = 32, pooling: str = "mean") -> None:
        self.frame_size = FrameSize(short=size)

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.float().mean((2, 3, 4)) / 255


class FixedLength(MeanColor):
    """One that takes windows of one length alone."""

    fixed_window = 8


class AlsoFixed(FixedLength):
    """Another one."""


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, frames in (("a", 20), ("b", 31)):
        render(folder / f"{name}.mp4", frames=frames, rate=10)
    return folder


def contents(pack: Path) -> dict[str, bytes]:
    """Every file of a pack."""
    return {str(file.relative_to(pack)): file.read_bytes() for file in sorted(pack.rglob("*")) if file.is_file()}


def test_two_backbones_make_two_streams_that_a_store_aligns(tmp_path: Path, videos: Path, rcl_: Rcl) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label\na,0.2,1.0,walk\nb,0.5,2.5,run\n")
    pack, both = tmp_path / "pack", f"motion+{COLOR}"
    command = ("extract", videos, "--backbone", both, "--rate", 10, "--stride", 2, "--size", 48, "--pooling", "cls")
    command = (*command, "--workers", 1, "--output", pack)
    said = rcl_(*command, "--labels", tmp_path / "labels.csv")
    assert said.status == 0, said.err
    assert said.out.splitlines() == [
        f"2 of 2 videos: {pack} (5 snippets per second, backbone motion, stream motion)",
        f"2 of 2 videos: {pack} (5 snippets per second, backbone {COLOR}, stream MeanColor)",
    ]
    assert {*contents(pack)} == {
        f"{part}/{stream}/{name}.{'json' if part == 'records' else 'npy'}"
        for part in ("features", "times", "records")
        for stream in ("motion", "MeanColor")
        for name in ("a", "b")
    } | {"annotations.json", "extraction.json", "streams.json"}

    settings = read_settings(pack)
    assert isinstance(settings, StreamSettings)
    assert settings.streams["MeanColor"].options == BackboneOptions(size=48, pooling="cls")
    assert settings.streams["motion"].options == BackboneOptions(size=48)
    assert settings == parse_settings(json.loads(json.dumps(settings.model_dump(mode="json"))), where="a checkpoint")
    assert {name: timing.snippets_per_second for name, timing in read_streams(pack).items()} == {
        "motion": 5.0,
        "MeanColor": 5.0,
    }

    annotations = load_annotations(pack / "annotations.json")
    assert [(video.snippets_per_second, *video.labels) for video in annotations.videos.values()] == [
        (5.0, "walk"),
        (5.0, "run"),
    ]
    aligned = open_store(pack, annotations).read("a")
    own = [np.load(pack / "features" / stream / "a.npy") for stream in settings.streams]
    np.testing.assert_array_equal(aligned, np.concatenate(own, axis=1))

    before = contents(pack)
    again = rcl_(*command)
    assert again.out.count("2 of 2 videos (2 done before)") == 2
    assert contents(pack) == before
    for extra in (("--rate", 15), ("--window", 6)):
        refused = rcl_(*command, *extra)
        assert refused.status == 2
        assert "expected the settings that its features were extracted with" in refused.err
    assert contents(pack) == before


def test_streams_are_added_one_by_one_also_from_other_recordings_of_the_same_names(
    tmp_path: Path, videos: Path, rcl_: Rcl
) -> None:
    pack = tmp_path / "pack"
    common = ("--rate", 10, "--workers", 1, "--output", pack)
    assert rcl_("extract", videos, "--stream", "left", *common).status == 0
    left = contents(pack / "features" / "left")
    right = tmp_path / "right"
    right.mkdir()
    shutil.copy(videos / "b.mp4", right / "a.mp4")
    assert rcl_("extract", right, "--stream", "right", "--stride", 2, *common).status == 0
    assert contents(pack / "features" / "left") == left
    assert np.load(pack / "features" / "right" / "a.npy").shape[0] == 16
    assert {name: timing.snippets_per_second for name, timing in read_streams(pack).items()} == {
        "left": pytest.approx(10 / 3),
        "right": 5.0,
    }
    records = records_of_pack(pack)
    assert {name: round(record.duration_seconds, 3) for name, record in records.items()} == {"a": 3.1, "b": 3.1}
    assert load_annotations(pack / "annotations.json").videos["a"].snippets_per_second == 5.0


def test_a_stream_that_is_interrupted_is_resumed_and_the_others_stay(tmp_path: Path, videos: Path) -> None:
    found, _ = find_videos([videos])
    for stream in ("one", "two"):
        list(extract_many(PackWriter(tmp_path / "pack", MOTION, stream=stream), found))
    whole = contents(tmp_path / "pack")
    (tmp_path / "pack" / "records" / "two" / "b.json").unlink()
    writer = PackWriter(tmp_path / "pack", MOTION, stream="two")
    assert writer.names() == ["a"]
    assert {outcome.video: outcome.new for outcome in extract_many(writer, found)} == {"a": False, "b": True}
    assert contents(tmp_path / "pack") == whole


def test_a_video_that_fails_in_one_stream_has_the_others(tmp_path: Path, videos: Path, rcl_: Rcl) -> None:
    (videos / "broken.mp4").write_bytes(b"no video")
    pack = tmp_path / "pack"
    said = rcl_("extract", videos, "--backbone", f"motion+{COLOR}", "--rate", 10, "--workers", 1, "--output", pack)
    assert said.status == 2
    assert said.err.count("broken.mp4: expected a video file") == 2
    assert [*load_annotations(pack / "annotations.json").videos] == ["a", "b"]


def test_a_file_has_the_same_name_in_every_stream(tmp_path: Path, videos: Path) -> None:
    for folder in ("cam1", "cam2"):
        shutil.copytree(videos, tmp_path / folder)
    pack = tmp_path / "pack"
    given = names_in_pack(pack, find_videos([tmp_path / "cam1", tmp_path / "cam2"])[0], "motion")
    assert [*given] == ["cam1/a", "cam1/b", "cam2/a", "cam2/b"]
    list(extract_many(PackWriter(pack, MOTION, stream="motion"), given))
    alone, _ = find_videos([tmp_path / "cam2"])
    assert [*alone] == ["a", "b"]
    assert [*names_in_pack(pack, alone, "other")] == ["cam2/a", "cam2/b"]
    elsewhere = {"a": tmp_path / "imu" / "a.csv"}  # another recording may have a name of this one
    assert names_in_pack(pack, {"cam1/a": elsewhere["a"]}, "other") == {"cam1/a": elsewhere["a"]}


def test_a_pack_of_one_stream_and_one_of_several_are_not_mixed(tmp_path: Path, rcl_: Rcl, videos: Path) -> None:
    PackWriter(tmp_path / "single", MOTION)
    with pytest.raises(InputError, match="expected a pack of streams, found a pack of a single one; extract into"):
        PackWriter(tmp_path / "single", MOTION, stream="motion")
    PackWriter(tmp_path / "several", MOTION, stream="motion")
    with pytest.raises(InputError, match="expected a pack of a single stream, found a pack of the streams motion"):
        PackWriter(tmp_path / "several", MOTION)
    for name in ("", "a/b", "..", ".hidden"):
        with pytest.raises(InputError, match="--stream: expected the name of a stream"):
            PackWriter(tmp_path / "new", MOTION, stream=name)
    refused = rcl_("extract", videos, "--backbone", f"motion+{COLOR}", "--stream", "x", "--output", tmp_path / "new")
    assert "--stream: expected a single backbone, found motion+" in refused.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [{"format": 2}, {"format": 2, "streams": {}}, {"format": 3}, {"format": [1]}])
def test_damaged_settings_of_streams_are_named(tmp_path: Path, content: dict[str, object]) -> None:
    (tmp_path / "extraction.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"extraction\.json: expected (format 1 or 2|settings of an extraction for)"):
        read_settings(tmp_path)


def test_settings_of_an_unknown_kind_are_refused() -> None:
    for kind in ("smell", ["signal"], 3):
        with pytest.raises(InputError, match=r"checkpoint, stream 'x': expected settings of a video or signal"):
            parse_settings({"streams": {"x": {"kind": kind}}}, where="checkpoint")


def test_settings_differ_if_those_of_a_stream_do() -> None:
    one, same = (StreamSettings({"motion": MOTION, "x": MOTION}) for _ in range(2))
    other = StreamSettings({"motion": MOTION.model_copy(update={"stride": 3})})
    assert difference(one, same) is None
    assert difference(one, other) == "stream motion: stride 2 and 3"
    assert difference(one, MOTION) == "those of a pack of streams and of a video"


# -- several backbones in one name -------------------------------------------------------------------------------


def test_names_of_backbones_and_their_streams() -> None:
    assert split_backbones("onnx:dir/a+b.onnx+motion") == ["onnx:dir/a+b.onnx", "motion"]
    assert stream_names("hf:a/b+hf:c/d+motion") == ["hf", "hf2", "motion"]
    assert stream_names("motion") == [None]
    for wrong in ("motion+slowfast", "+motion", "motion+", "slowfast+motion"):
        with pytest.raises(InputError, match="--backbone: expected motion, "):
            split_backbones(wrong)
    with pytest.raises(InputError, match="--backbone: expected every backbone once"):
        stream_names("motion+motion")


def test_an_option_goes_to_every_backbone_that_takes_it() -> None:
    both = f"motion+{COLOR}"
    extractors = choose_extractors(both, BackboneOptions(size=48, pooling="cls"), rate=10, stride=2, window=4)
    assert {name: extractor.settings.options for name, extractor in extractors.items()} == {
        "motion": BackboneOptions(size=48),
        "MeanColor": BackboneOptions(size=48, pooling="cls"),
    }
    assert {extractor.settings.window for extractor in extractors.values()} == {4}
    with pytest.raises(InputError, match="--flow: expected an option of one of the backbones motion, "):
        choose_extractors(both, BackboneOptions(flow="flow.pt"))


def test_a_window_goes_to_the_backbones_that_take_it() -> None:
    fixed = f"{__name__}:FixedLength"
    extractors = choose_extractors(f"motion+{fixed}", window=4)
    assert [extractor.settings.window for extractor in extractors.values()] == [4, 8]
    with pytest.raises(InputError, match="--window: expected frames that one of the backbones takes: 8"):
        choose_extractors(f"{fixed}+{__name__}:AlsoFixed", window=5)


def test_backbones_that_have_moved() -> None:
    streams = {"motion": "motion", "i3d": "i3d:old.pt", "onnx": "onnx:a.onnx"}
    assert backbone_of_each(streams, None) == {}
    moved = backbone_of_each(streams, "i3d:new.pt+onnx:b.onnx")
    assert moved == {"i3d": "i3d:new.pt", "onnx": "onnx:b.onnx"}
    with pytest.raises(InputError, match=r"--backbone: expected a backbone of the checkpoint \(motion, i3d:old.pt"):
        backbone_of_each(streams, "hf:a/b")


def test_features_of_a_stream_are_those_of_a_pack_of_its_own(tmp_path: Path, videos: Path) -> None:
    backbone, settings = choose_extraction("motion", rate=10, window=3, stride=2)
    found, _ = find_videos([videos])
    list(extract_many(PackWriter(tmp_path / "pack", settings, stream="motion"), found))
    expected = extract_features(videos / "b.mp4", backbone, settings)
    np.testing.assert_array_equal(np.load(tmp_path / "pack" / "features" / "motion" / "b.npy"), expected.features)
    np.testing.assert_array_equal(np.load(tmp_path / "pack" / "times" / "motion" / "b.npy"), expected.times_seconds)


def test_streams_of_one_file_are_told_from_those_of_other_recordings(tmp_path: Path, videos: Path, rcl_: Rcl) -> None:
    pack, other = tmp_path / "pack", tmp_path / "other"
    shutil.copytree(videos, other)
    for stream, folder in (("left", videos), ("again", videos), ("right", other)):
        arguments = ("--stream", stream, "--rate", 10, "--workers", 1, "--output", pack)
        assert rcl_("extract", folder, *arguments).status == 0
    assert share_files(pack, ["left", "again"])
    assert not share_files(pack, ["left", "again", "right"])
    assert not share_files(pack, ["left", "unknown"])
    assert not share_files(tmp_path, ["left", "again"])  # no pack that was extracted
    (pack / "records" / "again" / "a.json").unlink()
    assert not share_files(pack, ["left", "again"])  # one is missing alone
