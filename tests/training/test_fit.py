"""From videos and a table to a detector, and from the detector to results for videos."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

import rcl
from networks import random_stream, write_onnx, write_script
from places import SHARED
from quick import film, quick_fit
from rcl import Localizer
from rcl.cli.outputs import mark_demo
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import read_checkpoint
from rcl.system.errors import InputError
from rcl.training.choices import choose_stride, split_videos
from rcl.training.fit_videos import choose_features
from rcl.video.backbones.cuts import CutsBackbone
from rcl.video.backbones.options import parse_options
from rendered import render
from typed import Rcl
from untrained import save_untrained


@pytest.fixture
def run(rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> Rcl:
    """``rcl`` with short trainings."""
    quick_fit(monkeypatch)
    return rcl_


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Annotations]:
    """Five short videos of a figure."""
    folder = tmp_path_factory.mktemp("films")
    return folder, film(folder, 5)


@pytest.fixture
def films(tmp_path: Path, filmed: tuple[Path, Annotations]) -> Path:
    """A copy of the folder, next to the shortest table of labels that a person would type."""
    shutil.copytree(filmed[0], tmp_path / "films")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("video", "start", "end", "label"))
        for video in filmed[1].videos.values():
            for start, end in video.segments_seconds:
                table.writerow((f"{video.name}.mp4", f"{start:.1f}", f"{end:.1f}", "action"))
    return tmp_path / "films"


# -- choices -----------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e4), min_size=1), st.floats(0.5, 120))
def test_strides_are_between_a_frame_and_a_second(lengths: list[float], rate: float) -> None:
    stride = choose_stride(np.array(lengths), rate)
    assert 1 <= stride <= max(1, round(rate))


def test_short_actions_span_four_snippets() -> None:
    assert choose_stride(np.array([0.8] * 9 + [60.0]), 15) == 3
    assert choose_stride(np.array([30.0]), 15) == 15


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4), min_size=1, max_size=12), st.integers(0, 3))
def test_every_label_of_a_held_out_video_can_be_learned(labels: list[list[str]], seed: int) -> None:
    videos = {
        str(number): VideoAnnotation(str(number), "training", None, None, np.zeros((len(names), 2)), tuple(names))
        for number, names in enumerate(labels)
    }
    split = split_videos(Annotations(videos), seed=seed)
    subsets = Counter(video.subset for video in split.videos.values())
    trained = {label for video in split.videos.values() if video.subset == "training" for label in video.labels}
    assert set(split.labels) == trained
    assert subsets["validation"] <= max(1, round(0.2 * len(videos)))
    again = split_videos(Annotations(dict(reversed(videos.items()))), seed=seed)
    assert {name: video.subset for name, video in again.videos.items()} == {
        name: video.subset for name, video in split.videos.items()
    }
    in_two = Counter(label for names in labels for label in set(names))
    if any(names and all(in_two[name] > 1 for name in names) for names in labels):
        assert subsets["validation"] >= 1


# -- fit and detect ----------------------------------------------------------------------------------------------


def test_fit_and_detect(tmp_path: Path, films: Path, run: Rcl) -> None:
    out = tmp_path / "run"
    status, said, notes = run("fit", films, tmp_path / "labels.csv", "--output", out)
    assert status == 0, notes
    for words in ("average", "detections.json", "evaluation.json", "pack", "last.ckpt"):
        assert words in said
    for words in (
        "held out for validation: ",
        "snippets per second: ",
        "encoder layers: ",
        "training steps: 3, with 2 videos each, because there are 4 training videos",
    ):
        assert words in notes
    subsets = Counter(video.subset for video in load_annotations(out / "pack" / "annotations.json").videos.values())
    assert subsets == {"training": 4, "validation": 1}
    assert json.loads((out / "evaluation.json").read_text())["mAP"].keys() == {"0.30", "0.40", "0.50", "0.60", "0.70"}

    # The checkpoint extracts by itself what the pack holds.
    held_out = next(iter(load_detections(out / "detections.json").videos))
    video = films / f"{held_out}.mp4"
    status, said, notes = run("detect", out / "last.ckpt", video, "--output", tmp_path / "one.json")
    assert status == 0, notes
    localizer = Localizer.load(out / "last.ckpt")
    features, timeline = localizer.prepare(video, None)
    stored = torch.from_numpy(np.load(out / "pack" / "features" / f"{held_out}.npy"))
    np.testing.assert_allclose(features, localizer.preparation.apply(stored), atol=1e-4)
    assert timeline.snippets_per_second == localizer.snippets_per_second
    assert load_detections(tmp_path / "one.json").videos == (held_out,)

    duration = load_annotations(out / "pack" / "annotations.json").videos[held_out].duration_seconds
    assert localizer.detect(video).segments_seconds.max() <= duration
    assert localizer.score(str(video), [(1.0, 2.0)]).confidence.shape == (1,)

    status, said, notes = run(
        "detect", out / "last.ckpt", films, "--output", tmp_path / "all.csv", "--subtitles", tmp_path / "subtitles"
    )
    assert status == 0, notes
    assert len(load_detections(tmp_path / "all.csv").videos) == 5
    assert {file.suffix for file in (tmp_path / "subtitles").iterdir()} == {".srt", ".vtt"}
    assert len(list((tmp_path / "subtitles").iterdir())) == 10
    assert run("detect", out / "last.ckpt", video, "--output", tmp_path / "a.vtt", "--min-score", 0)[0] == 0
    assert (tmp_path / "a.vtt").read_text().count(" --> ") == len(load_detections(tmp_path / "one.json"))
    status, _, notes = run("detect", out / "last.ckpt", films, "--output", tmp_path / "all.srt")
    assert status == 2
    assert "--subtitles FOLDER" in notes


def test_fit_from_python(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quick_fit(monkeypatch)
    (films / "figure-000.mp4").write_text("not a video")
    with (tmp_path / "labels.csv").open("a") as table:
        table.write("absent.mp4,1,2,action\n")
    out = tmp_path / "run"
    result = rcl.fit(films, tmp_path / "labels.csv", out)
    assert result.checkpoint == out / "last.ckpt"
    assert result.localizer.labels == ("action",)
    assert [choice.name for choice in result.choices][:7] == [
        "backbone", "snippets per second", "held out for validation", "snippets in the network", "encoder layers",
        "channels of the model", "training steps",
    ]  # fmt: skip
    assert result.labelled.missing == ("absent.mp4",)
    assert list(result.problems) == ["figure-000"]
    assert "the labels name videos that were not found: 'absent.mp4'" in caplog.text
    assert "figure-000.mp4: expected a video file" in caplog.text
    assert result.evaluation is not None
    numbers = {**result.evaluation.to_json(), "operating_points": result.calibrated.to_json()}
    assert numbers == json.loads((out / "evaluation.json").read_text())
    assert result.detections is not None
    assert len(result.detections) == len(load_detections(out / "detections.json"))
    with pytest.raises(InputError, match="found an earlier run; add --resume"):
        rcl.fit(films, tmp_path / "labels.csv", out)

    # Annotations and single files do as well, and the same seed gives the same detector.
    annotations = load_annotations(tmp_path / "labels.csv", clip=False)
    again = rcl.fit(sorted(films.glob("*.mp4")), annotations, tmp_path / "again")
    weights, others = (torch.load(one.checkpoint, weights_only=True)["state_dict"] for one in (result, again))
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_a_finished_fit_resumes_only_with_the_option(tmp_path: Path, films: Path, run: Rcl) -> None:
    arguments = ("fit", films, tmp_path / "labels.csv", "--output", tmp_path / "run")
    assert run(*arguments, "--rate", 10)[0] == 0
    kept = (tmp_path / "run" / "pack" / "annotations.json").read_text()
    shutil.move(films / "figure-003.mp4", films / "held.mp4")  # another set of videos would be split otherwise
    status, _, notes = run(*arguments)
    assert status == 2
    assert "add --resume" in notes
    assert run(*arguments, "--resume")[0] == 2  # a video is missing, but the run goes on
    assert (tmp_path / "run" / "pack" / "annotations.json").read_text() == kept
    (tmp_path / "labels.csv").write_text((tmp_path / "labels.csv").read_text().replace(",action", ",other"))
    status, _, notes = run(*arguments, "--resume")
    assert status == 2
    assert "expected the labels that the training began with, found others; choose another output folder" in notes
    (tmp_path / "run" / "last.ckpt").unlink()
    status, _, notes = run(*arguments, "--stride", 7)
    assert status == 2
    assert "expected the settings that its features were extracted with" in notes


def test_unusable_videos_are_named_and_the_others_fitted(tmp_path: Path, films: Path, run: Rcl) -> None:
    (films / "figure-000.mp4").write_text("not a video")
    render(films / "other.mp4")
    (films / "labels.txt").touch()
    with (tmp_path / "labels.csv").open("a") as table:
        table.write("absent.mp4,1,2,action\n")
    status, said, notes = run("fit", films, tmp_path / "labels.csv", "--output", tmp_path / "run")
    assert status == 2
    assert "figure-000.mp4: expected a video file" in notes
    assert "the labels name videos that were not found: 'absent.mp4'." in notes
    assert "5 of 6 videos have labels; these videos have no labels: 'other'." in notes
    assert "2 of 6 videos could not be used" in notes
    assert "checkpoint" in said
    assert (tmp_path / "run" / "last.ckpt").is_file()


def test_the_subsets_of_the_table_are_kept(tmp_path: Path, films: Path, run: Rcl) -> None:
    rows = (tmp_path / "labels.csv").read_text().splitlines()
    for name, subset in (("validation", "validation"), ("test", "testing")):
        named = [f"{row},{name if 'figure-002' in row else 'train'}" for row in rows[1:]]
        (tmp_path / "labels.csv").write_text("\n".join([rows[0] + ",subset", *named]))
        status, _, notes = run("fit", films, tmp_path / "labels.csv", "--output", tmp_path / name)
        assert status == 0, notes
        assert load_detections(tmp_path / name / "detections.json").videos == ("figure-002",)
        assert read_checkpoint(tmp_path / name / "last.ckpt").config.data.validation_subset == subset
        assert "held out" not in notes


def test_a_single_video_is_fitted_without_evaluation(tmp_path: Path, films: Path, run: Rcl) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label\nfigure-001,1,2,a\nfigure-001,3,3.5,b\n")
    status, said, notes = run("fit", films, tmp_path / "labels.csv", "--output", tmp_path / "run")
    assert status == 0, notes
    assert "held out for validation: no video, because every label needs a training video" in notes
    assert "evaluation" not in said


def test_labels_of_other_videos_are_refused(tmp_path: Path, films: Path, run: Rcl) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label\nsomething,1,2,a\n")
    status, _, notes = run("fit", films, tmp_path / "labels.csv", "--output", tmp_path / "run")
    assert status == 2
    assert "expected labelled segments of the videos, found labels of 'something', videos 'figure-000'" in notes
    assert notes.count("\n") == 1


def test_bad_videos_do_not_stop_a_detection(tmp_path: Path, films: Path, run: Rcl) -> None:
    assert run("fit", films, tmp_path / "labels.csv", "--output", tmp_path / "run")[0] == 0
    (films / "figure-000.mp4").write_bytes(b"")
    (films / "figure-001.mp4").write_text("text")
    status, _, notes = run("detect", tmp_path / "run" / "last.ckpt", films, "--output", tmp_path / "d.json")
    assert status == 2
    assert "figure-000.mp4: expected a video file, found an empty file" in notes
    assert "figure-001.mp4: expected a video file" in notes
    assert "2 of 5 videos could not be used" in notes
    assert len(load_detections(tmp_path / "d.json").videos) == 3


def test_a_checkpoint_that_does_not_know_how_says_so(tmp_path: Path, films: Path, run: Rcl) -> None:
    checkpoint = save_untrained(tmp_path / "last.ckpt")
    status, _, notes = run("detect", checkpoint, films / "figure-000.mp4", "--output", tmp_path / "d.json")
    assert status == 2
    assert "since the checkpoint has no extraction settings" in notes


def test_the_demo_goes_from_rendering_to_subtitles(tmp_path: Path, run: Rcl, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo" / "run").mkdir(parents=True)
    (tmp_path / "demo" / "run" / "last.ckpt").write_text("that of another training")
    status, _, notes = run("demo", "--output", tmp_path / "demo")
    assert status == 2
    assert "found run of another origin" in notes
    mark_demo(tmp_path / "demo")  # now it is that of an earlier demo, which begins anew
    status, said, notes = run("demo", "--output", tmp_path / "demo")
    assert status == 0, notes
    assert (tmp_path / "demo" / "videos" / "figure-005.srt").is_file()
    for line in said.splitlines()[-6:]:
        path = line.split()[1]
        assert Path(path).exists(), line


# -- extract -----------------------------------------------------------------------------------------------------


def test_a_folder_is_extracted_with_its_labels(tmp_path: Path, films: Path, run: Rcl) -> None:
    (films / "notes.txt").write_text("these are films")
    pack = tmp_path / "pack"
    arguments = ("extract", films, "--labels", tmp_path / "labels.csv", "--output", pack)
    status, said, notes = run(*arguments, "--stride", 5, "--workers", 1)
    assert (status, notes) == (0, "rcl: not videos by their names: notes.txt.\n")
    assert said == f"5 of 5 videos: {pack} (3 snippets per second, backbone motion)\n"
    assert load_annotations(pack / "annotations.json").labels == ("action",)
    assert "5 of 5 videos (5 done before)" in run(*arguments, "--stride", 5)[1]
    (films / "figure-004.mp4").write_bytes(b"")
    status, said, notes = run("extract", films, "--output", pack, "--stride", 5)
    assert status == 2
    assert said.startswith("4 of 5 videos (4 done before)")
    assert "figure-004.mp4: expected a video file, found an empty file" in notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "0"), "--rate: expected frames per second"),
        (("--rate", "nan"), "--rate: expected frames per second"),
        (("--mean", "1,2"), "--mean: expected three numbers"),
        (("--std", "1,0,1"), "--std: expected three positive numbers"),
        (("--pooling", "max"), "--pooling: expected mean or cls"),
        (("--backbone", "onnx:nowhere.onnx"), "nowhere.onnx"),
        (("--backbone", "i3d:nowhere.pt"), "nowhere.pt"),
        (("--flow", "nowhere.pt"), "--flow: expected an option of the backbone motion"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path: Path, films: Path, run: Rcl, options: tuple, words: str) -> None:
    status, said, notes = run("extract", films, "--output", tmp_path / "pack", *options)
    assert (status, said) == (2, "")
    assert words in notes
    assert notes.count("\n") == 1
    assert not (tmp_path / "pack").exists()


def test_options_of_backbones_are_parsed() -> None:
    options = parse_options(mean="0.5,0.4, 0.3", std="1,2,3", flow=None)
    assert options.mean == (0.5, 0.4, 0.3)
    with pytest.raises(InputError):
        parse_options(mean="a,b,c")


def backbone_of(kind: str, folder: Path) -> list[str]:
    """Options for a small backbone of each kind, with random weights."""
    if kind == "hf":
        size = {"image_size": 16, "patch_size": 8, "num_frames": 4, "tubelet_size": 2}
        width = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        transformers.VideoMAEModel(transformers.VideoMAEConfig(**size, **width)).save_pretrained(folder)
        return [f"hf:{folder}"]
    if kind == "onnx":
        return [f"onnx:{write_onnx(folder / 'a.onnx', ['batch', 3, 4, 8, 8])}"]
    if kind == "torchscript":
        script = write_script(torch.nn.AvgPool3d((4, 8, 8)), folder / "a.pt")
        return [f"torchscript:{script}", "--size", "8", "--window", "4"]
    if kind == "i3d":
        for name, stream in (("rgb", random_stream(3)), ("flow", random_stream(2))):
            torch.save(stream.state_dict(), folder / f"{name}.pt")
        cheap = ["--size", "32", "--window", "4", "--stride", "8", "--rate", "8"]
        return [f"i3d:{folder / 'rgb.pt'}", "--flow", str(folder / "flow.pt"), *cheap]
    return ["motion"]


@pytest.mark.parametrize(
    ("kind", "channels"), [("motion", 376), ("hf", 16), ("onnx", None), ("torchscript", 3), ("i3d", 2048)]
)
def test_real_videos_with_every_kind_of_backbone(tmp_path: Path, run: Rcl, kind: str, channels: int | None) -> None:
    videos = SHARED / "videos"
    if not videos.is_dir():
        pytest.skip("the shared videos are not here")
    (tmp_path / "backbone").mkdir()
    options = backbone_of(kind, tmp_path / "backbone")
    pack = tmp_path / "pack"
    status, _, notes = run("extract", videos, "--output", pack, "--workers", 1, "--backbone", *options)
    assert status == 0, notes
    assert notes == "" or kind == "hf"  # which says that the model names no normalization
    annotations = load_annotations(pack / "annotations.json").videos
    assert {name: video.duration_seconds for name, video in annotations.items()} == pytest.approx(
        {"demo": 10.0, "test.avi": 6.56, "test.mp4": 10.0, "test_video_structuralize": 10.01}
    )
    for name, video in annotations.items():
        features, times = (np.load(pack / part / f"{name}.npy") for part in ("features", "times"))
        assert features.shape[1] == (channels or features.shape[1])
        assert len(features) == len(times)
        missed = video.duration_seconds - len(features) / video.snippets_per_second
        frame = 1 / json.loads((pack / "extraction.json").read_text())["settings"]["rate"]
        assert -1 / video.snippets_per_second < missed <= frame / 2


def test_cuts_are_never_looked_for_at_fewer_places() -> None:
    given = dict.fromkeys(("rate", "window", "stride", "video_fps"))
    extractors, _ = choose_features("motion+cuts", None, given, np.array([40.0]), device="cpu")
    strides = {stream: extractor.settings.stride for stream, extractor in extractors.items()}
    assert strides == {"motion": 15, "cuts": CutsBackbone.stride}
