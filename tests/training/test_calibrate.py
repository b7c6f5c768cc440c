"""``rcl calibrate`` on a tiny pack, ``rcl detect --decide`` with what it chose, and ``rcl evaluate --events``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcl.data.detections import Detections
from rcl.data.formats.load import save_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import Facts, read_checkpoint
from rcl.detector.localizer import Localizer
from rcl.evaluation.events import evaluate_events
from rcl.training.calibrate import Calibrated, calibrate, choose
from tiny_pack import CHANNELS, RATE, tiny_annotations, tiny_pack
from typed import Rcl, Result
from untrained import save_untrained

FACTS = Facts(labels=("jump", "walk"), in_channels=CHANNELS, longest=12.0, snippets_per_second=RATE)
HELD_OUT = {2: "validation", 3: "validation", 4: "validation"}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return tiny_pack(tmp_path / "pack", tiny_annotations(subsets=HELD_OUT))


@pytest.fixture
def checkpoint(tmp_path: Path, pack: Path) -> Path:
    return save_untrained(tmp_path / "last.ckpt", FACTS, data={"root": str(pack)})


def assert_complains(result: Result, *words: str) -> None:
    assert result.status == 2, result
    assert result.err.count("\n") == 1
    assert all(word in result.err for word in words), result.err


def test_a_checkpoint_is_calibrated_and_decides(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    before, new = checkpoint.read_bytes(), tmp_path / "new.ckpt"
    result = rcl_("calibrate", checkpoint, pack, "--output", new)
    assert result.status == 0, result
    assert checkpoint.read_bytes() == before
    assert all(word in result.out for word in ("jump", "walk", "threshold", "macro", f"checkpoint  {new}"))
    assert "Where the other videos choose" in result.err
    assert "calibration error" in result.err
    points = read_checkpoint(new).operating_points
    assert points is not None
    assert points.thresholds.keys() == {"jump", "walk"}
    assert points.chosen_on == f"3 videos of the subset validation of {pack / 'annotations.json'}"

    shared = ("--subset", "validation", "--output")
    assert rcl_("detect", new, pack, *shared, tmp_path / "all.json").status == 0
    assert rcl_("detect", new, pack, *shared, tmp_path / "list.csv", "--decide").status == 0
    everything, kept = load_detections(tmp_path / "all.json"), load_detections(tmp_path / "list.csv")
    assert 0 < len(kept) < len(everything)
    expected = points.decide(everything)
    assert sorted(kept.scores) == pytest.approx(sorted(expected.scores))
    assert sorted(kept.segments_seconds.tolist()) == sorted(expected.segments_seconds.tolist())

    assert_complains(
        rcl_("detect", checkpoint, pack, *shared, tmp_path / "none.json", "--decide"),
        str(checkpoint), "expected operating points to decide by, found none", "rcl calibrate",
    )  # fmt: skip


def test_subtitles_of_a_list_show_all_of_it(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    calibrate(checkpoint, pack)
    video, output = pack / "features" / "v3.npy", tmp_path / "v3.srt"
    assert rcl_("detect", checkpoint, video, "--decide", "--output", output).status == 0
    decided = Localizer.load(checkpoint).detect(video, decide=True)
    assert decided.scores.min() < 0.4
    assert output.read_text().count(" --> ") == len(decided)


def test_the_old_checkpoint_is_only_replaced_if_asked(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    before = checkpoint.read_bytes()
    assert_complains(rcl_("calibrate", checkpoint, pack), "expected a place for the checkpoint", "--overwrite")
    assert_complains(rcl_("calibrate", checkpoint, pack, "--output", checkpoint), "found the input")
    (tmp_path / "mine.ckpt").write_text("mine")
    assert_complains(rcl_("calibrate", checkpoint, pack, "--output", tmp_path / "mine.ckpt"), "a new file")
    assert checkpoint.read_bytes() == before
    assert rcl_("calibrate", checkpoint, pack, "--overwrite").status == 0
    assert read_checkpoint(checkpoint).operating_points is not None


def test_wrong_inputs_of_calibrate_are_one_sentence(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    def ask(*arguments: object) -> Result:
        return rcl_("calibrate", *arguments, "--output", tmp_path / "new.ckpt")

    assert_complains(ask(checkpoint), "a checkpoint and then a pack")
    assert_complains(ask(checkpoint, pack, "--subset", "training"), "was not trained on", "v0, v1")
    assert_complains(ask(checkpoint, pack, "--subset", "testing"), "expected videos in the subset testing")
    assert_complains(ask(checkpoint, pack, "--precision", "2"), "precision: expected a number above 0")
    assert_complains(ask(checkpoint, pack, "--tiou", "0"), "tIoU thresholds")
    other = tiny_annotations(subsets=dict.fromkeys(range(5), "validation")).renamed(
        {f"v{n}": f"w{n}" for n in range(5)}
    )
    save_annotations(other, tmp_path / "other.json")
    assert_complains(ask(checkpoint, pack, "--annotations", tmp_path / "other.json"), "none that can be used")
    assert not (tmp_path / "new.ckpt").exists()


def test_a_bad_video_is_named_and_the_others_are_used(checkpoint: Path, pack: Path, rcl_: Rcl) -> None:
    np.save(pack / "features" / "v3.npy", np.zeros((40, CHANNELS + 1), dtype=np.float32))
    result = rcl_("calibrate", checkpoint, pack, "--overwrite")
    assert result.status == 0, result
    assert "'v3'" in result.err
    points = read_checkpoint(checkpoint).operating_points
    assert points is not None
    assert points.chosen_on.startswith("2 videos of the subset validation")


def test_a_precision_out_of_reach_is_said(checkpoint: Path, pack: Path, rcl_: Rcl) -> None:
    result = rcl_("calibrate", checkpoint, pack, "--overwrite", "--precision", "1", "--tiou", "0.99")
    assert result.status == 0, result
    assert "no score reaches the precision for jump, walk" in result.err


def test_other_videos_decide_for_each_video(checkpoint: Path) -> None:
    """Detections of the last video alone are right where those of the others are wrong."""
    truth = tiny_annotations(3, subsets=dict.fromkeys(range(3), "validation"))
    localizer = Localizer.load(checkpoint)
    segments = np.array([[2.0, 6.0], [30.0, 31.0]] * 3)
    scores = np.array([0.9, 0.3, 0.9, 0.3, 0.3, 0.9])
    videos, labels = np.repeat(np.arange(3), 2), np.zeros(6, dtype=np.int64)
    found = Detections(("v0", "v1", "v2"), videos, segments, ("jump",), labels, scores)
    result = choose(localizer, found, truth, "three videos")
    assert isinstance(result, Calibrated)
    assert result.other is not None
    # v2 gets the threshold of v0 and v1, which keeps its wrong detection alone.
    assert result.other.right.sum() == 2
    assert result.to_json()["other_videos"]["micro"]["recall"] == pytest.approx(2 / 6)


def test_one_video_cannot_be_judged_by_others(checkpoint: Path) -> None:
    truth = tiny_annotations(1, subsets={0: "validation"})
    zeros = np.zeros(1, dtype=np.int64)
    found = Detections(("v0",), zeros, np.array([[2.0, 6.0]]), ("jump",), zeros, np.array([0.9]))
    result = choose(Localizer.load(checkpoint), found, truth, "one video")
    assert result.other is None
    assert result.to_json()["other_videos"] is None


# -- rcl evaluate --events -----------------------------------------------------------------------------------------


def test_evaluate_takes_detections_as_a_list(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    found, numbers = tmp_path / "found.json", tmp_path / "numbers.json"
    assert rcl_("detect", checkpoint, pack, "--subset", "validation", "--output", found).status == 0
    result = rcl_("evaluate", found, pack, "--events", "0.5", "--json", numbers)
    assert result.status == 0, result
    assert "are a ranking" in result.err
    assert "rcl detect --decide" in result.err
    truth = tiny_annotations(subsets=HELD_OUT).subset("validation")
    expected = evaluate_events(load_detections(found), truth)
    assert json.loads(numbers.read_text())["events"] == expected.to_json()
    assert f"{100 * expected.micro.f1:.1f}" in result.out
    assert rcl_("evaluate", found, pack, "--json", numbers).status == 0  # the numbers of an evaluation are replaced
    assert "events" not in json.loads(numbers.read_text())
    for tiou in ("0", "1.5"):
        assert_complains(rcl_("evaluate", found, pack, "--events", tiou), "--events: expected a tIoU in (0, 1]")
