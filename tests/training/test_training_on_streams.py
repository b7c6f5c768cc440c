"""Packs of several streams, from rcl.fit to detection with a stream missing and its diagnosis."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import rcl
from rcl.cli import app
from rcl.data.streams import StreamTiming, TimedFeatures, write_streams
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.inputs import jobs_of
from rcl.detector.load_config import load_config, parse_config
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.training.data import load_training_data
from rcl.training.run import train
from tiny_pack import CHANNELS, RATE, SNIPPETS, tiny_annotations, tiny_features, tiny_pack

SUBSETS = {4: "validation"}
SMALL = {
    "model": {
        "encoder": {"channels": 8, "layers": 2},
        "head": {"channels": 8, "points": 4, "steps": 1},
        "streams": {"channels": 8},
    },
    "training": {"epochs": 1, "batch_size": 2},
    "sampling": {"regular": 20},
}


def streamed_pack(root: Path) -> Path:
    """The tiny pack with a stream ``a`` of its features, and a second one of half the rate, which ``v1`` lacks."""
    tiny_pack(root, replace_durations(tiny_annotations(subsets=SUBSETS)))
    for name, array in tiny_features().items():
        for stream, own in {"a": array, "slow": array[::2, :2]}.items():
            path = root / "features" / stream / f"{name}.npy"
            path.parent.mkdir(exist_ok=True)
            np.save(path, own)
        (root / "features" / f"{name}.npy").unlink()
    (root / "features/slow/v1.npy").unlink()
    return root


def replace_durations(annotations):
    videos = {name: replace(video, duration_seconds=SNIPPETS / RATE) for name, video in annotations.videos.items()}
    return replace(annotations, videos=videos)


def small(pack: Path, **sections: dict) -> object:
    return parse_config({**SMALL, **sections, "data": {"root": str(pack), **sections.get("data", {})}}, where="test")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pack, and the run of a detector of its streams."""
    root = tmp_path_factory.mktemp("streams")
    pack = streamed_pack(root / "pack")
    train(small(pack, data={"standardize": True}), root / "run", devices=1)
    return pack, root / "run"


def test_a_sample_has_all_streams_side_by_side(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = load_training_data(small(streamed_pack(tmp_path)))
    assert [(stream.name, stream.channels, stream.snippets_per_second) for stream in data.facts.streams] == [
        ("a", CHANNELS, RATE),
        ("slow", 2, RATE / 2),
    ]
    assert data.facts.snippets_per_second == RATE
    assert data.facts.in_channels == CHANNELS + 2
    assert "slow: 1 video without this stream: v1" in caplog.text
    whole, part = data.training[0], data.training[1]
    assert np.isfinite(whole.features.numpy()).all()
    np.testing.assert_array_equal(whole.features[:CHANNELS].T, tiny_features()["v0"])
    assert part.features[CHANNELS:].isnan().all()
    assert whole.features.shape == part.features.shape == (CHANNELS + 2, SNIPPETS)


def test_chosen_streams_are_used_alone(tmp_path: Path):
    data = load_training_data(small(streamed_pack(tmp_path), data={"streams": "slow", "training_subset": "validation"}))
    assert [stream.name for stream in data.facts.streams] == ["slow"]
    assert data.training[0].features.shape == (2, SNIPPETS // 2)


def test_one_rate_for_all_streams_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"data\.snippets_per_second: expected none"):
        load_training_data(small(streamed_pack(tmp_path), data={"snippets_per_second": 2.0}))


def test_the_checkpoint_keeps_the_streams(trained: tuple[Path, Path]):
    facts = read_checkpoint(trained[1]).facts
    assert [stream.name for stream in facts.streams] == ["a", "slow"]
    assert len(facts.channels.mean) == facts.in_channels == CHANNELS + 2


def test_detection_does_without_a_stream(trained: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    pack, run = trained
    localizer = Localizer.load(run, device="cpu")
    shutil.copytree(pack, tmp_path / "pack")
    shutil.rmtree(tmp_path / "pack/features/slow")
    (job,) = jobs_of(tmp_path / "pack", localizer, "validation", "TC", None)
    assert "detects without the stream slow" in caplog.text
    features, timeline = job.read(localizer)
    assert features[CHANNELS:].isnan().all()
    found = localizer.detect_prepared(features, timeline, video="v4")
    by_name = localizer.detect({"a": TimedFeatures(tiny_features()["v4"], RATE)}, video="v4")
    np.testing.assert_allclose(found.scores, by_name.scores, rtol=1e-5)
    assert np.isfinite(found.scores).all()
    assert len(found)


def test_an_array_of_all_streams_is_what_the_pack_holds(trained: tuple[Path, Path]):
    pack, run = trained
    localizer = Localizer.load(run, device="cpu")
    (job,) = jobs_of(pack, localizer, "validation", "TC", None)
    expected, _ = job.read(localizer)
    aligned = job.read.args[0].read("v4")
    given, _ = localizer.prepare(aligned, RATE)
    np.testing.assert_array_equal(given, expected)
    aligned[3, 0] = np.nan  # of a stream that is there
    with pytest.raises(InputError, match="the first in snippet 3"):
        localizer.prepare(aligned, RATE)


def test_other_streams_are_ignored_and_none_is_an_error(
    trained: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    pack, run = trained
    localizer = Localizer.load(run, device="cpu")
    shutil.copytree(pack, tmp_path / "pack")
    (tmp_path / "pack/features/a").rename(tmp_path / "pack/features/b")
    assert jobs_of(tmp_path / "pack", localizer, None, "TC", None)
    assert "ignores the stream b, which the detector does not know" in caplog.text
    (tmp_path / "pack/features/slow").rename(tmp_path / "pack/features/c")
    with pytest.raises(InputError, match=r"expected the streams a, slow, found the streams b, c"):
        jobs_of(tmp_path / "pack", localizer, None, "TC", None)
    with pytest.raises(InputError, match="single"):
        jobs_of(pack, localizer, None, "TC", 2.0)


def test_a_shifted_stream_moves_in_time(tmp_path: Path):
    pack = streamed_pack(tmp_path)
    write_streams(pack, {"a": StreamTiming(snippets_per_second=RATE, start_seconds=1.0)})
    features = load_training_data(small(pack)).training[0].features
    assert features[:, :2].isnan().all()
    np.testing.assert_array_equal(features[:, 2:].T, tiny_features()["v0"])


def test_fit_announces_the_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rcl.training.recipe.STEPS", 4)
    monkeypatch.setattr("rcl.training.recipe.EPOCHS", 2)
    pack = streamed_pack(tmp_path / "pack")
    result = rcl.fit(pack, output=tmp_path / "run")
    choices = {choice.name: choice.value for choice in result.choices}
    assert choices["streams"] == f"a ({CHANNELS} channels, 2 per second), slow (2 channels, 1 per second)"
    config = load_config(tmp_path / "run/config.yaml")
    assert config.data.streams == ("a", "slow")
    assert config.model.encoder.input_dropout == 0
    assert result.evaluation is not None
    with pytest.raises(InputError, match=r"the stream x, found the streams a, slow"):
        rcl.fit(pack, output=tmp_path / "other", streams=["a", "x"])


def test_diagnose_shows_what_each_stream_contributes(trained: tuple[Path, Path], tmp_path: Path):
    pack, run = trained
    command = ["diagnose", str(pack), "--checkpoint", str(run), "--output", str(tmp_path / "out")]
    outcome = CliRunner().invoke(app, command)
    assert outcome.exit_code == 0, outcome.output
    content = json.loads((tmp_path / "out/contributions.json").read_text())
    assert set(content["streams"]) == {"a", "slow"}
    assert content["streams"]["a"]["alone"] == content["streams"]["slow"]["without"]
    assert "without it" in outcome.output


def test_diagnose_of_a_single_stream_is_refused(tmp_path: Path):
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(subsets=SUBSETS))
    train(small(pack), tmp_path / "run", devices=1)
    command = ["diagnose", str(pack), "--checkpoint", str(tmp_path / "run"), "--output", str(tmp_path / "out")]
    outcome = CliRunner().invoke(app, command)
    assert isinstance(outcome.exception, InputError)
    assert "several streams" in str(outcome.exception)
    assert not (tmp_path / "out/contributions.json").exists()
