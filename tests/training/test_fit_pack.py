"""From a pack of features to a detector: what is trained on, what is held out, and that the pack stays as it is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import rcl
from quick import quick_fit
from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.tables import table
from rcl.detector.load_config import load_config
from rcl.system.errors import InputError
from rcl.training.fit_pack import hold_out_of_pack, pack_in
from rcl.training.fit_result import FitResult
from rcl.video.backbones.options import BackboneOptions
from tiny_pack import tiny_annotations, tiny_features, tiny_pack, write_features


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short trainings."""
    quick_fit(monkeypatch)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def write_table(path: Path, content: Annotations, header: str = "video,start,end,label") -> Path:
    rows = [
        f"{video.name}.mp4,{start},{end},{label}"
        for video in content.videos.values()
        for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def subsets_in(path: Path) -> Counter[str]:
    return Counter(video.subset for video in load_annotations(path, clip=False).videos.values())


def choice_of(result: FitResult, name: str) -> str:
    return next(f"{choice.value}, because {choice.reason}" for choice in result.choices if choice.name == name)


# -- from the pack alone -----------------------------------------------------------------------------------------


def test_a_pack_with_subsets_is_trained_on_as_it_is(tmp_path: Path, out: Path) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(subsets={3: "validation", 4: "testing"}))
    before = contents(pack)
    result = rcl.fit(pack, output=out)
    assert contents(pack) == before
    assert not (out / "annotations.json").exists()
    config = load_config(out / "config.yaml")
    assert config.data.root == pack
    assert config.data.annotations is None
    assert config.data.validation_subset == "validation"
    assert {file.name for file in out.iterdir()} >= {"last.ckpt", "metrics.csv", "detections.json", "evaluation.json"}
    assert not (out / "pack").exists()
    assert choice_of(result, "held out for validation") == "1 video in validation, because the annotations name them"
    assert result.detections is not None
    assert result.detections.videos == ("v3",)
    assert result.pack == pack


def test_labelled_testing_videos_are_held_out_where_validation_has_no_labels(tmp_path: Path, out: Path) -> None:
    content = tiny_annotations(subsets={2: "validation", 3: "testing", 4: "testing"}, without=[2, 4])
    result = rcl.fit(tiny_pack(tmp_path / "pack", content), output=out)
    assert load_config(out / "config.yaml").data.validation_subset == "testing"
    assert "2 videos in testing, because the annotations name them" in choice_of(result, "held out for validation")


def test_a_fifth_is_held_out_where_nothing_else_has_labels(tmp_path: Path, out: Path) -> None:
    content = tiny_annotations(7, subsets={5: "validation", 6: "testing"}, without=[5, 6])
    pack = tiny_pack(tmp_path / "pack", content)
    before = contents(pack)
    result = rcl.fit(pack, output=out)
    assert contents(pack) == before
    assert load_config(out / "config.yaml").data.annotations == out / "annotations.json"
    assert subsets_in(out / "annotations.json") == {"training": 4, "validation": 1, "testing": 2}
    assert choice_of(result, "held out for validation").endswith(
        ", because no labelled video is marked as validation or testing"
    )


def test_a_group_is_held_out_as_a_whole(tmp_path: Path, out: Path) -> None:
    content = tiny_annotations(6, groups=["anna", "ben", "cleo"] * 2)
    result = rcl.fit(tiny_pack(tmp_path / "pack", content), output=out)
    kept = load_annotations(out / "annotations.json").videos.values()
    assert sum(video.subset == "validation" for video in kept) == 2
    (group,) = {video.group for video in kept if video.subset == "validation"}
    said = choice_of(result, "held out for validation")
    assert said.startswith(f"2 videos of group {group}, because ")
    assert said.endswith(", and the videos of a group stay together")


@pytest.mark.parametrize("kind", ["features.h5", "features.npz"])
def test_archives_of_features_and_a_table(tmp_path: Path, out: Path, kind: str) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    if kind == "features.npz":
        np.savez(pack / kind, **tiny_features())
    else:
        with h5py.File(pack / kind, "w") as file:
            for name, array in tiny_features().items():
                file[name] = array
    table.write(tiny_annotations(subsets={4: "validation"}), pack / "annotations.csv")
    before = contents(pack)
    assert rcl.fit(pack, output=out).evaluation is not None
    assert contents(pack) == before


def test_annotated_videos_without_features_are_left_out_and_said(tmp_path: Path, out: Path) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(subsets={3: "validation"}))
    (pack / "features" / "v4.npy").unlink()
    result = rcl.fit(pack, output=out)
    assert result.labelled.missing == ("v4",)
    assert [*load_annotations(out / "annotations.json").videos] == ["v0", "v1", "v2", "v3"]


def test_resume_continues_the_same_run(tmp_path: Path, out: Path) -> None:
    pack = tiny_pack(tmp_path / "pack")
    rcl.fit(pack, output=out)
    kept = (out / "annotations.json").read_text()
    with pytest.raises(InputError, match="add --resume"):
        rcl.fit(pack, output=out)
    shutil.move(pack, tmp_path / "moved")
    assert rcl.fit(tmp_path / "moved", output=out, resume=True).evaluation is not None
    assert (out / "annotations.json").read_text() == kept
    content = load_annotations(tmp_path / "moved" / "annotations.json")
    save_annotations(
        replace(content, videos={name: replace(v, labels=("walk", "jump")) for name, v in content.videos.items()}),
        tmp_path / "moved" / "annotations.json",
    )
    with pytest.raises(InputError, match="expected the labels that the training began with"):
        rcl.fit(tmp_path / "moved", output=out, resume=True)


# -- other labels ------------------------------------------------------------------------------------------------


def test_labels_in_place_of_those_of_the_pack(tmp_path: Path, out: Path) -> None:
    """They take lengths, rates, groups and subsets from it, as they say nothing of that."""
    content = tiny_annotations(subsets={3: "validation"}, groups=["anna", "ben", "cleo", "dan", "eve"])
    pack = tiny_pack(tmp_path / "pack", content)
    before = contents(pack)
    corrected = replace(content, videos={name: content.videos[name] for name in ("v0", "v1", "v3")})
    result = rcl.fit(pack, write_table(tmp_path / "labels.csv", corrected), out)
    assert contents(pack) == before
    kept = load_annotations(out / "annotations.json").videos
    assert [*kept] == ["v0", "v1", "v3"]
    assert [video.subset for video in kept.values()] == ["training", "training", "validation"]
    assert {(video.snippets_per_second, video.group) for video in kept.values()} == {
        (2.0, "anna"), (2.0, "ben"), (2.0, "dan"),
    }  # fmt: skip
    assert result.labelled.match.unused == ("v2", "v4")


def test_features_without_annotations_take_a_file_of_labels(tmp_path: Path, out: Path) -> None:
    pack = write_features(tmp_path / "pack")
    with pytest.raises(InputError, match=r"pack: expected annotations\.json .*, found features alone; add it"):
        rcl.fit(pack, output=out)
    content = tiny_annotations()
    with pytest.raises(InputError, match="video 'v0': expected the rate of its features or the length of the video"):
        rcl.fit(pack, write_table(tmp_path / "labels.csv", content), out)
    result = rcl.fit(pack, content, out)
    assert result.evaluation is not None
    assert subsets_in(out / "annotations.json") == {"training": 4, "validation": 1}
    assert [file.name for file in pack.iterdir()] == ["features"]


def test_times_that_cannot_be_seconds_are_refused(tmp_path: Path, out: Path) -> None:
    pack = tiny_pack(tmp_path / "pack")
    content = tiny_annotations()
    frames = {name: replace(v, segments_seconds=v.segments_seconds * 25) for name, v in content.videos.items()}
    labels = write_table(tmp_path / "labels.csv", Annotations(frames))
    with pytest.raises(InputError, match="--times"):
        rcl.fit(pack, labels, out)
    result = rcl.fit(pack, labels, out, reading=ReadOptions(times="frames", fps=25))
    assert result.evaluation is not None


def test_labels_of_other_videos_are_refused(tmp_path: Path, out: Path) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label\nother,1,2,a\n")
    with pytest.raises(InputError, match="name the videos in the labels as their features"):
        rcl.fit(tiny_pack(tmp_path / "pack"), tmp_path / "labels.csv", out)


# -- after another run -------------------------------------------------------------------------------------------


def test_a_fit_after_another_keeps_what_was_held_out(tmp_path: Path, out: Path) -> None:
    pack = tiny_pack(tmp_path / "pack")
    first = rcl.fit(pack, output=tmp_path / "first")
    before = contents(tmp_path / "first")
    second = rcl.fit(
        pack, write_table(tmp_path / "labels.csv", tiny_annotations()), out, after=tmp_path / "first", seed=3
    )
    assert contents(tmp_path / "first") == before
    assert first.detections is not None
    assert second.detections is not None
    assert second.detections.videos == first.detections.videos
    assert "what was held out stays held out" in choice_of(second, "held out for validation")
    assert second.comparison is not None
    assert json.loads((out / "comparison.json").read_text())["after"] == str(tmp_path / "first")


def test_a_fit_after_that_of_another_pack_is_refused(tmp_path: Path, out: Path) -> None:
    rcl.fit(tiny_pack(tmp_path / "pack"), output=tmp_path / "first")
    other = tiny_pack(tmp_path / "other")
    with pytest.raises(InputError, match=r"first: expected a run on .*other, found one on .*pack"):
        rcl.fit(other, output=out, after=tmp_path / "first")
    with pytest.raises(InputError, match=r"expected a finished run of rcl fit, found none of last\.ckpt"):
        rcl.fit(other, output=out, after=tmp_path)
    with pytest.raises(InputError, match="expected another folder than that of the earlier run"):
        rcl.fit(tmp_path / "pack", output=tmp_path / "first", after=tmp_path / "first")


# -- what is refused ---------------------------------------------------------------------------------------------


def test_videos_without_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match=r"found only .*; add the file of labels \(rcl fit VIDEOS LABELS\)"):
        rcl.fit(tmp_path)
    with pytest.raises(InputError, match="expected a folder of videos or a pack of features, found no such file"):
        rcl.fit(tmp_path / "nowhere")


def test_options_for_videos_are_refused(tmp_path: Path, out: Path) -> None:
    pack = tiny_pack(tmp_path / "pack")
    with pytest.raises(InputError, match="found --backbone, --size, --stride, --workers; leave out"):
        rcl.fit(pack, output=out, backbone="motion", options=BackboneOptions(size=64), stride=3, workers=2)
    assert not out.exists()


def test_a_run_does_not_go_into_its_pack(tmp_path: Path) -> None:
    pack = tiny_pack(tmp_path / "pack")
    before = contents(pack)
    for output in (pack, pack / "features", pack / "features" / "run"):
        with pytest.raises(InputError, match="a pack stays as it is"):
            rcl.fit(pack, output=output, overwrite=True)
    assert contents(pack) == before


def test_a_run_on_videos_is_not_resumed_with_a_pack(tmp_path: Path, out: Path) -> None:
    (out / "pack").mkdir(parents=True)
    (out / "last.ckpt").touch()
    with pytest.raises(InputError, match="expected a run on a pack, found a run on videos"):
        rcl.fit(tiny_pack(tmp_path / "pack"), output=out, resume=True)


# -- what a folder is --------------------------------------------------------------------------------------------


def test_a_folder_of_videos_may_have_a_folder_features(tmp_path: Path) -> None:
    """Videos with labels are fitted as before, whatever else is in their folder."""
    folder = write_features(tmp_path / "films")
    assert pack_in(folder, "labels.csv") == folder
    assert pack_in([folder], "labels.csv") == folder
    assert pack_in([folder, tmp_path], "labels.csv") is None
    (folder / "a.mp4").touch()
    assert pack_in(folder, "labels.csv") is None
    assert pack_in(folder / "a.mp4", "labels.csv") is None
    (folder / "features" / "v0.npy").rename(folder / "v0.npy")
    shutil.rmtree(folder / "features")
    (folder / "a.mp4").unlink()
    (folder / "features").mkdir()
    assert pack_in(folder, "labels.csv") is None


def test_held_out_videos_that_stay() -> None:
    kept = {"v0": "validation", "v1": "training"}
    split, choices = hold_out_of_pack(tiny_annotations(), seed=0, kept=kept)
    assert [video.subset for video in split.videos.values()] == ["validation", *["training"] * 4]
    assert choices[0].reason == "what was held out stays held out"
    named, _ = hold_out_of_pack(tiny_annotations(subsets={1: "validation", 2: "validation"}), seed=0, kept=kept)
    assert [video.subset for video in named.videos.values()] == [
        "validation", "training", "validation", "training", "training",
    ]  # fmt: skip
