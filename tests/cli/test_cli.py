"""The contract of the command line: files, output and exit status."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from rcl.cli.options import parse_thresholds
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.system.errors import InputError
from typed import Rcl, Result
from untrained import FACTS, save_untrained
from waiting import without_progress

SMALL: dict[str, Any] = {
    "model": {"encoder": {"name": "temporal", "channels": 32, "layers": 5}, "channels": 32, "points": 8, "steps": 2},
    "sampling": {"regular": 100, "scale_invariant": 8},
    "training": {"epochs": 1, "batch_size": 4, "learning_rate": 2e-3, "seed": 3},
    "inference": {"candidates": 300, "top": 50},
}


@pytest.fixture(scope="module")
def config(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "data": {"root": str(pack)}}))
    return path


class Run(NamedTuple):
    folder: Path
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def trained(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``rcl train`` in its own process, whose streams are pipes."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    command = [sys.executable, "-m", "rcl.cli", "train", str(config), "training.learning_rate=1e-3"]
    process = subprocess.run(
        [*command, "--output", str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return Run(folder, process)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("checkpoint") / "last.ckpt")


def assert_complains(result: Result, *words: str) -> None:
    """Status 2, and one sentence on stderr that contains the words."""
    assert result.status == 2, result
    assert result.out == ""
    assert result.err.startswith("rcl: ")
    assert result.err.count("\n") == 1
    assert result.err.endswith(".\n")
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err


def rows(detections: Detections) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, detections))


# -- train → detect → evaluate -----------------------------------------------------------------------------------


def test_training_in_a_pipe_prints_one_line(trained: Run) -> None:
    assert trained.process.returncode == 0, trained.process.stderr
    assert without_progress(trained.process.stderr) == ""
    assert trained.process.stdout.splitlines() == [
        f"Trained 1 epoch: {trained.folder / 'last.ckpt'} (metrics in {trained.folder / 'metrics.csv'})."
    ]


def test_a_run_leaves_its_four_files(trained: Run) -> None:
    assert {path.name for path in trained.folder.iterdir()} == {"config.yaml", "metrics.csv", "last.ckpt", "best.ckpt"}
    kept = yaml.safe_load((trained.folder / "config.yaml").read_text())
    assert kept["training"]["learning_rate"] == 1e-3  # the override, not the file
    assert kept["training"]["batch_size"] == 4
    with (trained.folder / "metrics.csv").open() as table:
        assert [row["epoch"] for row in csv.DictReader(table)] == ["0"]


def test_the_commands_give_the_results_of_the_library(trained: Run, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    checkpoint = trained.folder / "last.ckpt"
    outputs = [tmp_path / "a.json", tmp_path / "b.csv", tmp_path / "folder" / "c.JSON"]
    for output, subset in zip(outputs, ("validation", "val", "val"), strict=True):
        result = rcl_("detect", checkpoint, pack, "--subset", subset, "--output", output)
        assert result.status == 0
        assert result.err == ""
        assert result.out == f"{len(load_detections(output))} detections in 4 videos: {output}\n"

    truth = load_annotations(pack / "annotations.json", clip=False).subset("validation")
    localizer = Localizer.load(checkpoint)
    expected = Detections.concatenate(
        [localizer.detect(pack / "features" / f"{name}.npy", 5.0, video=name) for name in truth.videos]
    )
    for output in outputs:
        assert rows(load_detections(output)) == rows(expected)  # at full precision

    # Both files, a pack or its annotation file, and both names of the subset give one evaluation.
    reports = []
    for output, truth_path, subset in (
        (outputs[0], pack, "validation"), (outputs[1], pack / "annotations.json", "val"),
    ):  # fmt: skip
        report = tmp_path / "evaluation.json"
        result = rcl_("evaluate", output, truth_path, "--subset", subset, "--short", 3.0, "--json", report)
        assert (result.status, result.err) == (0, "")
        reports.append(json.loads(report.read_text()))
        assert f"{100 * reports[-1]['average_mAP']:.1f}" in result.out
    assert reports[0] == reports[1]
    evaluation = evaluate(expected, truth, tiou_thresholds=np.linspace(0.3, 0.7, 5), short_seconds=3.0)
    report = reports[0]
    assert list(report["mAP"]) == ["0.30", "0.40", "0.50", "0.60", "0.70"]
    assert list(report["mAP"].values()) == pytest.approx(evaluation.map_per_tiou.tolist(), abs=1e-12)
    assert report["average_mAP"] == pytest.approx(evaluation.average_map, abs=1e-12)
    assert report["short_mAP"] == pytest.approx(evaluation.short_map, abs=1e-12)
    assert report["AR@100"] == pytest.approx(float(evaluation.recall_at.average[-1]), abs=1e-12)
    assert all(0 <= report[key] <= 1 for key in ("average_mAP", "short_mAP", "AR@100"))


def test_best_and_last_are_both_usable(trained: Run, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features = pack / "features" / "video-000.npy"
    for name in ("best", "last"):
        assert rcl_("detect", trained.folder / f"{name}.ckpt", features, "--output", tmp_path / "a.csv").status == 0


def test_a_finished_run_is_not_overwritten(trained: Run, config: Path, rcl_: Rcl) -> None:
    before = (trained.folder / "last.ckpt").read_bytes()
    assert_complains(rcl_("train", config, "--output", trained.folder), str(trained.folder), "--resume")
    assert_complains(
        rcl_("train", config, "training.learning_rate=5e-3", "--output", trained.folder, "--resume"),
        "training.learning_rate",
    )
    assert (trained.folder / "last.ckpt").read_bytes() == before


def test_more_steps_than_were_trained_are_refused(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features = pack / "features" / "video-000.npy"
    asked = ("detect", checkpoint, features, "--output", tmp_path / "a.csv", "--steps")
    assert rcl_(*asked, 1).status == 0
    assert_complains(rcl_(*asked, 99), "--steps", "99")


# -- detect ------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_python_interface(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features, output = pack / "features" / "video-000.npy", tmp_path / "a.csv"
    asked = ("detect", checkpoint, features, "--output", output, "--overwrite", "--rates")
    assert rcl_(*asked, "0.7,1,1.4").status == 0
    expected = Localizer.load(checkpoint).detect(features, rates=(0.7, 1, 1.4))
    np.testing.assert_allclose(load_detections(output).scores, expected.scores, rtol=1e-4)
    for wrong in ("0.7,x", "", "1,0", "99"):
        assert_complains(rcl_(*asked, wrong), "--rates", "0.7,1,1.4")


def test_feature_files_have_their_name_and_the_given_rate(
    checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl
) -> None:
    files = [pack / "features" / f"video-{number:03d}.npy" for number in (2, 0)]
    found = {}
    for rate in (None, 5):
        output = tmp_path / f"{rate}.json"
        options = ["--snippets-per-second", rate] if rate else []
        assert rcl_("detect", checkpoint, *files, *options, "--output", output).status == 0
        found[rate] = load_detections(output)
    assert found[5].videos == ("video-002", "video-000")
    assert rows(found[None]) == rows(found[5])  # the rate of the training features
    # Twice as many snippets per second become those of the training again.
    np.save(tmp_path / "video-002.npy", np.repeat(np.load(files[0]), 2, axis=0))
    output = tmp_path / "twice.json"
    options = ["--snippets-per-second", 10, "--output", output]
    assert rcl_("detect", checkpoint, tmp_path / "video-002.npy", *options).status == 0
    once = found[5].segments_seconds[found[5].video_index == 0]
    np.testing.assert_allclose(load_detections(output).segments_seconds, once, atol=1e-3)


def test_transposed_features_are_read_with_layout_ct(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features = np.load(pack / "features" / "video-000.npy")
    (tmp_path / "CT").mkdir()
    np.save(tmp_path / "CT" / "video-000.npy", features.T)
    rcl_("detect", checkpoint, pack / "features" / "video-000.npy", "--output", tmp_path / "a.json")
    transposed = tmp_path / "CT" / "video-000.npy"
    assert rcl_("detect", checkpoint, transposed, "--layout", "CT", "--output", tmp_path / "b.json").status == 0
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()
    output = tmp_path / "c.json"
    result = rcl_("detect", checkpoint, transposed, "--output", output)
    assert (result.status, output.exists()) == (2, False)
    assert "video-000" in result.err
    assert_complains(rcl_("detect", checkpoint, transposed, "--layout", "XY", "--output", output), "--layout", "XY")


def test_bad_files_are_named_and_the_others_searched(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    good = pack / "features" / "video-000.npy"
    features = np.load(good)
    np.save(tmp_path / "wide.npy", np.zeros((9, 33), dtype=np.float32))
    np.save(tmp_path / "holes.npy", np.where(np.arange(len(features))[:, None] == 5, np.nan, features))
    (tmp_path / "short.npy").write_bytes(good.read_bytes()[:500])
    (tmp_path / "film.xyz").write_bytes(b"no features")
    bad = [tmp_path / name for name in ("wide.npy", "holes.npy", "short.npy", "film.xyz", "missing.npy")]
    output = tmp_path / "found.json"
    inputs = [*bad[:3], good, *bad[3:], pack / "features" / "video-001.npy"]
    result = rcl_("detect", checkpoint, *inputs, "--output", output)
    assert result.status == 2
    assert "Traceback" not in result.err
    lines = result.err.splitlines()
    assert len(lines) == len(bad) + 1
    for path, line in zip(bad, lines, strict=False):
        assert path.stem in line
    assert "5 of 7 videos" in lines[-1]
    assert load_detections(output).videos == ("video-000", "video-001")
    alone = tmp_path / "alone.json"
    rcl_("detect", checkpoint, good, "--output", alone)
    expected = json.loads(alone.read_text())["results"]["video-000"]
    assert json.loads(output.read_text())["results"]["video-000"] == expected


def copy_of(pack: Path, folder: Path, **replaced: np.ndarray) -> Path:
    """A copy of a pack with some feature files replaced; the others are links."""
    (folder / "features").mkdir(parents=True)
    (folder / "annotations.json").write_bytes((pack / "annotations.json").read_bytes())
    for path in (pack / "features").iterdir():
        new = replaced.get(path.stem.replace("-", "_"))
        if new is None:
            (folder / "features" / path.name).symlink_to(path)
        else:
            np.save(folder / "features" / path.name, new)
    return folder


def test_bad_videos_of_a_pack_are_named_and_the_others_searched(
    checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl
) -> None:
    length = len(np.load(pack / "features" / "video-017.npy"))
    wide = np.zeros((length, 33), dtype=np.float32)  # not the width that the checkpoint takes
    broken = copy_of(pack, tmp_path / "pack", video_017=wide, video_018=np.zeros((3, 32), dtype=np.float32))
    (broken / "features" / "video-019.npy").unlink()
    result = rcl_("detect", checkpoint, broken, "--subset", "val", "--output", tmp_path / "found.csv")
    assert result.status == 2
    assert "Traceback" not in result.err
    assert [name in line for name, line in zip(("017", "018", "019"), result.err.splitlines(), strict=False)] == [
        True, True, True,
    ]  # fmt: skip
    assert load_detections(tmp_path / "found.csv").videos == ("video-016",)


def test_nothing_is_written_without_a_usable_input(checkpoint: Path, tmp_path: Path, rcl_: Rcl) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((9, 33), dtype=np.float32))
    output = tmp_path / "found.json"
    assert rcl_("detect", checkpoint, tmp_path / "wide.npy", "--output", output).status == 2
    assert not output.exists()


def test_two_videos_of_the_same_name_are_refused(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    other = tmp_path / "video-000.npy"
    np.save(other, np.zeros((9, 32), dtype=np.float32))
    files = (pack / "features" / "video-000.npy", other)
    assert_complains(rcl_("detect", checkpoint, *files, "--output", tmp_path / "a.json"), "video-000")


def test_wrong_inputs_of_detect_are_one_sentence(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features, output = pack / "features" / "video-000.npy", tmp_path / "a.json"
    assert_complains(rcl_("detect", checkpoint, features, "--output", tmp_path / "a.txt"), "a.txt", ".json, .csv")
    assert_complains(rcl_("detect", tmp_path / "none.ckpt", features, "--output", output), "none.ckpt")
    assert_complains(rcl_("detect", features, features, "--output", output), "video-000.npy", "checkpoint")
    assert_complains(rcl_("detect", checkpoint, pack, "--subset", "holiday", "--output", output), "'holiday'")
    assert_complains(rcl_("detect", checkpoint, pack, "--subset", "test", "--output", output), "testing")
    assert_complains(rcl_("detect", checkpoint, tmp_path, "--output", output), "annotations.json")
    assert rcl_("detect", checkpoint, features, "--snippets-per-second", -1, "--output", output).status == 2
    assert not output.exists()


def test_proposals_have_no_label(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    proposals = save_untrained(tmp_path / "a.ckpt", model={"labels": "none"})
    output, report = tmp_path / "found.json", tmp_path / "evaluation.json"
    result = rcl_("detect", proposals, pack, "--subset", "val", "--output", output)
    assert (result.status, result.err) == (0, "")
    found = json.loads(output.read_text())["results"]
    assert all(set(item) == {"segment", "score"} for items in found.values() for item in items)
    assert rcl_("evaluate", output, pack, "--json", report).status == 0
    assert json.loads(report.read_text())["AR@100"] > 0


# -- evaluate ----------------------------------------------------------------------------------------------------


def perfect(pack: Path, path: Path, subsets: tuple[str, ...] = ("validation",)) -> Path:
    """A results file with exactly the instances of the subsets."""
    videos = load_annotations(pack / "annotations.json").videos.values()
    results = {
        video.name: [
            {"segment": segment, "label": label, "score": 0.9}
            for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
        ]
        for video in videos
        if video.subset in subsets
    }
    path.write_text(json.dumps({"results": results}))
    return path


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("0.3:0.7:0.1", ["0.30", "0.40", "0.50", "0.60", "0.70"]),
        ("0.5,0.75", ["0.50", "0.75"]),
        ("0.5", ["0.50"]),
        ("0.5:0.95:0.05", [f"{0.5 + 0.05 * i:.2f}" for i in range(10)]),
    ],
)
def test_perfect_detections_are_perfect_at_every_threshold(
    pack: Path, tmp_path: Path, rcl_: Rcl, text: str, keys: list[str]
) -> None:
    report = tmp_path / "evaluation.json"
    result = rcl_("evaluate", perfect(pack, tmp_path / "a.json"), pack, "--tiou", text, "--json", report)
    assert (result.status, result.err) == (0, "")
    assert json.loads(report.read_text())["mAP"] == pytest.approx(dict.fromkeys(keys, 1.0))
    # In a pipe the table is whole, too: every column has its number.
    assert result.out.count("100.0") >= len(keys) + 1


def test_thresholds_are_those_of_the_official_scripts() -> None:
    # Bit for bit: a tIoU that lies exactly on a threshold counts.
    np.testing.assert_array_equal(parse_thresholds("0.5:0.95:0.05"), np.linspace(0.5, 0.95, 10))
    np.testing.assert_array_equal(parse_thresholds("0.3:0.7:0.1"), np.linspace(0.3, 0.7, 5))
    np.testing.assert_array_equal(parse_thresholds("0.1:1:0.1"), np.linspace(0.1, 1, 10))
    np.testing.assert_array_equal(parse_thresholds("0.5:0.5:0.1"), [0.5])
    np.testing.assert_array_equal(parse_thresholds("0.5,0.75, 0.95"), [0.5, 0.75, 0.95])


@pytest.mark.parametrize(
    "text",
    [
        "", "half", "0.3:0.7", "0.3:0.7:0", "0.7:0.3:0.1", "0.3:0.7:-0.1", "0.3:0.7:0.1:0.1", "0", "1.1", "50", "-0.5",
        "0.5,", "nan", "inf", "0.3:inf:0.1", "0.3:0.7:inf", "0.3:0.7:nan", "0.3:0.7:1e-300", "0.3:0.7:1e-9",
        "0:0.7:0.1", "0.3:0.7:0.3", "1e400",
    ],
)  # fmt: skip
def test_wrong_thresholds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--tiou"):
        parse_thresholds(text)


def test_detections_in_other_subsets_are_ignored_with_a_note(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    report = tmp_path / "evaluation.json"
    everything = perfect(pack, tmp_path / "all.json", ("training", "validation"))
    result = rcl_("evaluate", everything, pack, "--json", report)
    assert result.status == 0
    assert result.err == "rcl: ignored the detections in 16 videos outside the validation subset.\n"
    with_others = json.loads(report.read_text())
    rcl_("evaluate", perfect(pack, tmp_path / "val.json"), pack, "--json", report)
    assert json.loads(report.read_text()) == with_others
    # A video without annotations stays, and counts as wrong.
    content = json.loads(everything.read_text())
    content["results"]["unknown"] = [{"segment": [0, 1], "label": "clap", "score": 1.0}]
    everything.write_text(json.dumps(content))
    rcl_("evaluate", everything, pack, "--json", report)
    assert json.loads(report.read_text())["average_mAP"] < with_others["average_mAP"]


def test_short_instances_are_reported_with_the_option(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    found, report = perfect(pack, tmp_path / "a.json"), tmp_path / "evaluation.json"
    assert "up to 1.5 s" in rcl_("evaluate", found, pack, "--short", 1.5, "--json", report).out
    assert json.loads(report.read_text())["short_mAP"] == pytest.approx(1.0)
    assert rcl_("evaluate", found, pack, "--short", 1e-6, "--json", report).status == 0  # no instance is so short
    assert json.loads(report.read_text())["short_mAP"] is None
    assert_complains(rcl_("evaluate", found, pack, "--short", -1), "short")


def test_wrong_inputs_of_evaluate_are_one_sentence(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    found, truth = perfect(pack, tmp_path / "found.json"), pack / "annotations.json"
    # The two files swapped: whichever is read first says what it is.
    swapped = rcl_("evaluate", truth, found)
    assert_complains(swapped)
    assert "annotation" in swapped.err or "results" in swapped.err
    assert_complains(rcl_("evaluate", truth, truth), "annotation file", str(truth))
    assert_complains(rcl_("evaluate", found, found), str(found), "database")
    assert_complains(rcl_("evaluate", tmp_path / "none.json", truth), "none.json")
    assert_complains(rcl_("evaluate", found, tmp_path / "none.json"), "none.json")
    assert_complains(rcl_("evaluate", found, tmp_path), "annotations.json")
    assert_complains(rcl_("evaluate", found, truth, "--tiou", "50"), "--tiou", "50")
    assert_complains(rcl_("evaluate", found, truth, "--subset", "test"), "testing")
    found.write_text(found.read_text()[:100])
    assert_complains(rcl_("evaluate", found, truth), "found.json", "line")


# -- train -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["training.epoch=5"], ["training.epoch", "epochs"]),
        (["training.epochs=many"], ["training.epochs", "many"]),
        (["training.epochs=-1"], ["training.epochs"]),
        (["epochs"], ["key=value"]),
        (["model.encoder.name=resnet"], ["model.encoder.name", "resnet"]),
        (["data.root=/nowhere"], ["/nowhere"]),
        (["data.validation_subset=test"], ["testing"]),
        (["data.layout=CT"], ["TC"]),
        (["--devices", "several"], ["--devices", "several"]),
        (["model.encoder={name: bmn, channels: 24, groups: 16}"], ["model.encoder.groups", "16"]),
    ],
)
def test_a_wrong_configuration_is_one_sentence_before_any_work(
    config: Path, tmp_path: Path, rcl_: Rcl, arguments: list[str], words: list[str]
) -> None:
    output = tmp_path / "run"
    assert_complains(rcl_("train", config, *arguments, "--output", output), *words)
    assert not output.exists()


def test_a_configuration_that_cannot_be_read_is_one_sentence(tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "run"
    assert_complains(rcl_("train", tmp_path / "none.yaml", "--output", output), "none.yaml")
    (tmp_path / "bad.yaml").write_text("model: [")
    assert_complains(rcl_("train", tmp_path / "bad.yaml", "--output", output), "bad.yaml", "line")
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_one_sentence(config: Path, tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_complains(rcl_("train", config, "--output", tmp_path / "file" / "run"), "file")


# -- the program -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["detonate"], ["train", "a.yaml"], ["evaluate", "a.json"], ["train", "--what"]])
def test_wrong_usage_is_status_2(rcl_: Rcl, arguments: list[str]) -> None:
    result = rcl_(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert "Traceback" not in result.err


def test_every_command_has_help(rcl_: Rcl) -> None:
    result = rcl_("--help")
    assert result.status == 0
    for command in ("train", "detect", "evaluate", "demo"):
        assert command in result.out
        assert rcl_(command, "--help").status == 0


def test_a_bug_is_not_reported_as_an_input_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rcl_: Rcl) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("rcl.detector.checkpoint.read_checkpoint", fail)
    with pytest.raises(RuntimeError, match="ours"):  # with a traceback and status 1
        rcl_("detect", "a.ckpt", "a.npy", "--output", tmp_path / "a.json")


def test_an_interruption_prints_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rcl_: Rcl) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rcl.detector.checkpoint.read_checkpoint", interrupt)
    result = rcl_("detect", "a.ckpt", "a.npy", "--output", tmp_path / "a.json")
    assert result.status == 130
    assert "Traceback" not in result.err


def test_the_untrained_checkpoint_fits_the_pack(pack: Path) -> None:
    assert load_annotations(pack / "annotations.json").labels == FACTS.labels


def test_an_input_error_ends_the_process_with_status_2() -> None:
    command = [sys.executable, "-m", "rcl.cli", "evaluate", "none.json", "none.json"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.count("\n") == 1
