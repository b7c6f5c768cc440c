"""A fit on corrected labels: the features and the split of the earlier one, and a comparison of both detectors."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rcl
from quick import film, quick_fit
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.evaluation import evaluate
from rcl.system.errors import InputError
from rcl.system.paths import fingerprint
from rcl.system.text_files import write_json
from rcl.training.choices import split_videos
from rcl.training.earlier_run import EarlierRun
from rcl.video.packs import PackWriter, Record
from rcl.video.settings import ExtractionSettings
from typed import Rcl

SETTINGS = ExtractionSettings(backbone="motion", rate=10, window=5, stride=4)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Annotations, Path]:
    """Five short videos of a figure, their labels, and a run on the first four."""
    folder = tmp_path_factory.mktemp("films")
    truth = film(folder / "videos", 5)
    table = write_labels(folder / "labels.csv", first_four(truth))
    with pytest.MonkeyPatch.context() as patch:
        quick_fit(patch)
        rcl.fit(folder / "videos", table, folder / "run", rate=10)
    return folder / "videos", truth, folder / "run"


@pytest.fixture
def films(tmp_path: Path, filmed: tuple[Path, Annotations, Path]) -> tuple[Path, Annotations, Path]:
    """The videos, their labels, and a copy of the run."""
    shutil.copytree(filmed[2], tmp_path / "run", copy_function=os.link)
    return filmed[0], filmed[1], tmp_path / "run"


def write_labels(
    path: Path, truth: Annotations, *, shift: float = 0.0, subsets: Mapping[str, str] | None = None
) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "start", "end", "label", *(["subset"] if subsets else [])])
        for video in truth.videos.values():
            for start, end in video.segments_seconds:
                row = [f"{video.name}.mp4", f"{start + shift:.2f}", f"{end + shift:.2f}", "action"]
                table.writerow([*row, *([subsets.get(video.name, "training")] if subsets else [])])
    return path


def first_four(truth: Annotations) -> Annotations:
    return replace(truth, videos=dict([*truth.videos.items()][:4]))


def contents(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def subsets_of(run: Path) -> dict[str, str]:
    videos = load_annotations(run / "pack" / "annotations.json").videos
    return {name: video.subset for name, video in videos.items()}


# -- the whole loop ----------------------------------------------------------------------------------------------


def test_corrected_labels_with_the_features_and_split_of_before(
    films: tuple[Path, Annotations, Path], tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_fit(monkeypatch)
    videos, truth, run = films
    before = contents(run)
    corrected = write_labels(tmp_path / "corrected.csv", truth, shift=0.2)
    status, said, notes = rcl_("fit", videos, corrected, "--output", tmp_path / "again", "--after", run, "--seed", 7)
    assert status == 0, notes
    assert "Features of 5 videos (4 done before)" in notes  # one is new
    assert "what was held out stays held out" in notes
    assert "in the held-out videos: these numbers change a lot by chance" in notes
    assert contents(run) == before
    assert subsets_of(tmp_path / "again") == {**subsets_of(run), "figure-004": "training"}
    for name in subsets_of(run):
        old, new = (folder / "pack" / "features" / f"{name}.npy" for folder in (run, tmp_path / "again"))
        assert old.samefile(new)  # no second copy

    # Both detectors were measured on the corrected labels of the same videos.
    written = json.loads((tmp_path / "again" / "comparison.json").read_text())
    evaluation = json.loads((tmp_path / "again" / "evaluation.json").read_text())
    assert written["later"]["average_mAP"] == pytest.approx(evaluation["average_mAP"])
    held_out = load_annotations(tmp_path / "again" / "pack" / "annotations.json").subset("validation")
    expected = evaluate(load_detections(run / "detections.json"), held_out, tiou_thresholds=np.linspace(0.3, 0.7, 5))
    assert written["earlier"]["average_mAP"] == pytest.approx(expected.average_map, abs=1e-6)
    assert written["counts"] == {"videos": len(held_out.videos), "ground_truths": len(held_out.videos)}
    for words in ("earlier", "this one", "difference", "comparison.json", "95 % interval"):
        assert words in said


def test_a_subset_column_does_not_move_held_out_videos(
    films: tuple[Path, Annotations, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    quick_fit(monkeypatch)
    videos, truth, run = films
    before = subsets_of(run)
    held_out = next(name for name, subset in before.items() if subset == "validation")
    other = next(name for name, subset in before.items() if subset == "training")
    table = write_labels(tmp_path / "corrected.csv", first_four(truth), subsets={other: "validation"})
    result = rcl.fit(videos, table, tmp_path / "again", after=run)
    assert subsets_of(tmp_path / "again") == before
    assert f"'{held_out}': stay in the subset validation as in {run}, although the labels say training" in caplog.text
    assert f"'{other}': stay in the subset training as in {run}, although the labels say validation" in caplog.text
    assert result.comparison is not None
    assert result.comparison.difference.low is None  # of a single video
    assert result.localizer.snippets_per_second == rcl.Localizer.load(run / "last.ckpt").snippets_per_second


def test_other_settings_are_refused_before_any_work(films: tuple[Path, Annotations, Path], tmp_path: Path) -> None:
    videos, truth, run = films
    table = write_labels(tmp_path / "corrected.csv", truth)
    with pytest.raises(InputError, match=r"other settings \(rate 10.0 and 12.0\); leave these options out"):
        rcl.fit(videos, table, tmp_path / "again", after=run, rate=12.0)
    with pytest.raises(InputError, match="expected another folder than that of the earlier run"):
        rcl.fit(videos, table, run, after=run)
    with pytest.raises(InputError, match=r"expected a finished run of rcl fit, found none of last.ckpt"):
        rcl.fit(videos, table, tmp_path / "again", after=videos)
    with pytest.raises(InputError, match=f"with --after {run}, to train on corrected labels"):
        rcl.fit(videos, table, run)
    assert not (tmp_path / "again").exists()


# -- which video is which ----------------------------------------------------------------------------------------


def made_run(root: Path, videos: Mapping[str, Path], subsets: Mapping[str, str]) -> EarlierRun:
    """A run of videos that were never decoded."""
    pack = PackWriter(root / "pack", SETTINGS)
    for name, file in videos.items():
        for folder in ("features", "times"):
            target = root / "pack" / folder / f"{name}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, np.full((3, 2), len(name)))
        state = fingerprint(file)
        assert state is not None
        record = Record(
            source=str(file.absolute()),
            **state._asdict(),
            duration_seconds=1.0,
            snippets=3,
            snippets_per_second=2.5,
            problems=[],
            versions={},
        )
        write_json(root / "pack" / "records" / f"{name}.json", record.model_dump())
    return EarlierRun(root, [pack], subsets)


def labels_of(**subsets: str) -> Annotations:
    return Annotations(
        {
            name: VideoAnnotation(name, subset, None, None, np.array([[0.0, 1.0]]), ("a",))
            for name, subset in subsets.items()
        }
    )


def test_features_go_to_the_same_video_under_its_new_name(tmp_path: Path) -> None:
    files = {name: tmp_path / "videos" / f"{name}.mp4" for name in ("cam1/001", "cam2/001", "b")}
    for place, file in enumerate(files.values()):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("film" * (place + 1))
    earlier = made_run(tmp_path / "run", {"001": files["cam1/001"], "b": files["b"]}, {"001": "validation"})
    new = PackWriter(tmp_path / "new", SETTINGS)
    subsets = earlier.take_over([new], files, labels_of())
    assert subsets == {"cam1/001": "validation"}
    assert (tmp_path / "new" / "features" / "cam1" / "001.npy").is_file()
    assert not (tmp_path / "new" / "features" / "cam2").exists()
    assert new.done("b", files["b"]) is not None


def test_renamed_files_stay_on_their_side_of_the_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {name: tmp_path / f"{name}.mp4" for name in ("a", "b", "c")}
    for place, file in enumerate(files.values()):
        file.write_text("film" * (place + 1))
    subsets = {"a": "validation", "b": "training", "c": "training"}
    earlier = made_run(tmp_path / "run", files, subsets)
    (tmp_path / "x").mkdir()
    moved = {name: files[old].rename(tmp_path / f"{name}.mp4") for old, name in [("a", "take 1"), ("b", "x/take 2")]}
    new = PackWriter(tmp_path / "new", SETTINGS)
    kept = earlier.take_over([new], {**moved, "c": files["c"]}, labels_of())
    assert kept == {"take 1": "validation", "x/take 2": "training", "c": "training"}
    assert new.names() == ["c", "take 1", "x/take 2"]
    assert "'take 1' is the file that was 'a'" in caplog.text


def test_copies_under_new_names_are_not_taken_for_a_renamed_file(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.mp4" for name in ("a", "b", "c")]
    for file in files:
        file.write_text("film")
        os.utime(file, ns=(0, 0))
    earlier = made_run(tmp_path / "run", {"a": files[0]}, {"a": "validation"})
    copies = dict(zip("bc", files[1:], strict=True))
    assert earlier.take_over([PackWriter(tmp_path / "new", SETTINGS)], copies, labels_of()) == {}


def test_another_video_of_the_same_stem_is_new(tmp_path: Path) -> None:
    files = [tmp_path / folder / "001.mp4" for folder in ("cam1", "cam2")]
    for place, file in enumerate(files):
        file.parent.mkdir()
        file.write_text("film" * (place + 1))
    earlier = made_run(tmp_path / "run", {"001": files[0]}, {"001": "validation"})
    new = PackWriter(tmp_path / "new", SETTINGS)
    assert earlier.take_over([new], {"cam2/001": files[1]}, labels_of()) == {}
    assert new.names() == []


def test_a_changed_video_keeps_its_subset_without_its_features(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_text("film")
    earlier = made_run(tmp_path / "run", {"a": file}, {"a": "testing"})
    file.write_text("another film")
    new = PackWriter(tmp_path / "new", SETTINGS)
    assert earlier.take_over([new], {"a": file}, labels_of(a="training")) == {"a": "testing"}
    assert new.names() == []


def test_held_out_videos_without_labels_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {name: tmp_path / f"{name}.mp4" for name in "abc"}
    for file in files.values():
        file.touch()
    earlier = made_run(tmp_path / "run", files, {"a": "validation", "b": "training", "c": "validation"})
    earlier.take_over([PackWriter(tmp_path / "new", SETTINGS)], {"a": files["a"]}, labels_of(a="training"))
    assert f"held out in {tmp_path / 'run'}, without labels now: c" in caplog.text
    assert len(caplog.records) == 1


# -- the split ---------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=3), min_size=1, max_size=14),
    st.lists(st.sampled_from(["training", "validation", None]), min_size=14, max_size=14),
    st.integers(0, 3),
)
def test_videos_of_before_keep_their_subset(labels: list[list[str]], before: list[str | None], seed: int) -> None:
    names = [f"{number:02}" for number in range(len(labels))]
    videos = {
        name: VideoAnnotation(name, "training", None, None, np.zeros((len(own), 2)), tuple(own))
        for name, own in zip(names, labels, strict=True)
    }
    kept = {name: subset for name, subset in zip(names, before, strict=False) if subset}
    split = split_videos(Annotations(videos), seed=seed, kept=kept).videos
    assert {name: split[name].subset for name in kept} == kept
    learned = {label for video in split.values() if video.subset == "training" for label in video.labels}
    new = [video for name, video in split.items() if name not in kept and video.subset != "training"]
    assert all(learned.issuperset(video.labels) for video in new)
    if sum(subset == "validation" for subset in kept.values()) >= max(1, round(0.2 * len(names))):
        assert new == []
