"""``rcl segment``, with random weights."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from rcl.cli.segment import segment
from rcl.data.formats.frame_labels import load_frame_labels
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.detect_many import _ClusterWork
from rcl.detector.inputs import jobs_of
from rcl.detector.localizer import Localizer
from rcl.models.segmentation import PRICE
from typed import Rcl
from untrained import FACTS, save_untrained

LOW = 0.015  # random weights have low scores


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("run") / "last.ckpt")


def test_segments_and_frames_say_the_same(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output, frames = tmp_path / "segments.json", tmp_path / "frames"
    ask = ("segment", checkpoint, pack, "--subset", "val", "--output", output, "--min-score", LOW)
    result = rcl_(*ask, "--frames", frames)
    assert result.status == 0, result.err
    assert result.out.endswith(f"frame labels of 4 videos: {frames}\n")
    found, labels = load_detections(output), load_frame_labels(frames)
    truth = load_annotations(pack / "annotations.json")
    assert len(found)
    for video in found.videos:
        own = found.for_video(video)
        assert (own.segments_seconds[1:, 0] >= own.segments_seconds[:-1, 1]).all()  # in order of time, no overlap
        assert (own.scores > LOW).all()
        duration = truth.videos[video].duration_seconds
        assert len(labels[video]) == (round(5 * duration) if duration else len(labels[video]))
        seconds = (np.arange(len(labels[video])) + 0.5) / 5
        for (start, end), index in zip(own.segments_seconds, own.label_index, strict=True):
            assert set(labels[video][(start < seconds) & (seconds < end)]) <= {own.labels[index]}
    one = Localizer.load(checkpoint).segment(pack / "features" / "video-016.npy", min_score=LOW)
    assert [(d[1:3], d[3]) for d in one] == [(d[1:3], d[3]) for d in found.for_video("video-016")]
    assert rcl_(*ask, "--frames", frames, "--fps", 10).status == 0  # replaces its own output
    assert len(load_frame_labels(frames)["video-016"]) in range(
        2 * len(labels["video-016"]) - 1, 2 * len(labels["video-016"]) + 2
    )


def test_a_rerun_takes_what_is_done(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    good, bad = tmp_path / "good.npy", tmp_path / "bad.npy"
    np.save(good, np.load(pack / "features" / "video-000.npy"))
    np.save(bad, np.ones((5, 3), np.float32))
    ask = (
        "segment",
        checkpoint,
        good,
        bad,
        "--output",
        tmp_path / "a.csv",
        "--frames",
        tmp_path / "f",
        "--min-score",
        LOW,
    )
    assert rcl_(*ask).status == 2
    first = load_frame_labels(tmp_path / "f")["good"].tolist()
    (tmp_path / "f" / "good").unlink()
    result = rcl_(*ask)
    assert "1 of 2 videos done before." in result.err
    assert load_frame_labels(tmp_path / "f")["good"].tolist() == first


def test_a_worker_of_a_cluster_segments_as_this_machine_does(checkpoint: Path, pack: Path) -> None:
    kept, localizer = read_checkpoint(checkpoint), Localizer.load(checkpoint)
    jobs = jobs_of(pack / "features" / "video-016.npy", localizer, None, "TC", None)
    work = _ClusterWork(kept, jobs, steps=None, rates=None, segments_above=LOW)
    found = work(1)(0).detections
    expected = localizer.segment(pack / "features" / "video-016.npy", min_score=LOW)
    assert [*map(tuple, found)] == [*map(tuple, expected)]


def test_wrong_options_are_one_sentence(checkpoint: Path, pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features, output, frames = pack / "features" / "video-000.npy", tmp_path / "a.csv", tmp_path / "frames"
    ask = ("segment", checkpoint, features, "--output", output)
    no_rate = save_untrained(tmp_path / "no_rate.ckpt", replace(FACTS, snippets_per_second=None))
    spaced = save_untrained(tmp_path / "spaced.ckpt", replace(FACTS, labels=("wave a hand", *FACTS.labels[1:])))
    frames.mkdir()
    (frames / "video-000.txt").write_text("walk\n")
    for command, words in (
        (("segment", checkpoint, features, "--output", tmp_path / "a.srt"), ".json or .csv"),
        ((*ask, "--frames", frames, "--form", "rows"), "lines or results"),
        ((*ask, "--fps", 0), "--fps"),
        ((*ask, "--frames", frames, "--form", "lines"), "--overwrite"),
        (("segment", no_rate, features, "--output", output, "--frames", frames), "--fps"),
        (("segment", spaced, features, "--output", output, "--frames", frames), "'wave a hand'"),
        (("segment", features), "checkpoint"),
    ):
        result = rcl_(*command)
        assert result.status == 2
        assert words in result.err
    assert rcl_(*ask, "--frames", frames, "--form", "lines", "--overwrite").status == 0
    assert (frames / "video-000.txt").read_text() != "walk\n"


def test_the_command_has_the_price_of_the_function() -> None:
    assert signature(segment).parameters["min_score"].default == PRICE
