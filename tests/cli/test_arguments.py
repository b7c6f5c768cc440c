"""Arguments that are swapped, missing, or name a folder instead of a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcl import Localizer
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import save_detections
from rcl.detector.checkpoint import read_checkpoint
from rcl.system.errors import InputError
from typed import Rcl
from untrained import save_untrained


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder as a training leaves it."""
    (tmp_path / "run").mkdir()
    save_untrained(tmp_path / "run" / "last.ckpt")
    return tmp_path / "run"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder of what are videos by their names."""
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_text("not read")
    return tmp_path / "films"


def test_the_folder_of_a_run_stands_for_its_last_checkpoint(tmp_path: Path, run_folder: Path, rcl_: Rcl) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(60, 32)).astype("f4"))
    assert read_checkpoint(run_folder).source == str(run_folder / "last.ckpt")
    assert Localizer.load(run_folder).labels == Localizer.load(run_folder / "last.ckpt").labels
    for checkpoint, name in ((run_folder, "folder.json"), (run_folder / "last.ckpt", "file.json")):
        status, _, error = rcl_("detect", checkpoint, tmp_path / "v.npy", "--output", tmp_path / name)
        assert status == 0, error
    assert (tmp_path / "folder.json").read_text() == (tmp_path / "file.json").read_text()


def test_a_folder_without_a_checkpoint_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder without last\.ckpt"):
        read_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "run.ckpt")


@pytest.mark.parametrize("text", ["epoch,loss\n0,0.5\n", "data:\n  root: Größe\n", "\ufeffvideo;start\r\n"])
def test_a_text_in_place_of_a_checkpoint_is_called_a_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics\.csv: expected a checkpoint.*found a text file"):
        read_checkpoint(tmp_path / "metrics.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "RUN", "FILMS", "--checkpoint", "RUN"), "expected one checkpoint"),
        (("serve", "RUN"), "add a folder of videos behind it"),
        (("serve", "model.pt"), "add a folder of videos behind it"),
        (("serve", "FILMS", "RUN"), "swap the two"),
        (("serve", "FILMS", "RUN/last.ckpt"), "swap the two"),
        (("serve", "RUN", "labels.csv"), "go behind --annotations"),
        (("detect", "FILMS", "--output", "o.json"), "add the checkpoint"),
        (("detect", "RUN", "--output", "o.json"), "add videos, packs or features behind it"),
        (("detect", "FILMS/a.mp4", "RUN/last.ckpt", "--output", "o.json"), "swap the two"),
        (("fit", "labels.csv", "FILMS", "--output", "out"), "swap the two"),
        (("fit", "labels.csv", "FILMS/a.mp4", "--output", "out"), "swap the two"),
        (("extract", "labels.csv", "--output", "out"), "give it with --labels"),
        (("extract", "FILMS", "labels.csv", "--output", "out"), "give it with --labels"),
        (("extract", "labels.csv", "--labels", "FILMS", "--output", "out"), "swap it with"),
    ],
)
def test_a_wrong_order_is_named(
    tmp_path: Path, run_folder: Path, films: Path, rcl_: Rcl, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label\na,0,1,jump\n")
    given = [text.replace("FILMS", str(films)).replace("RUN", str(run_folder)) for text in arguments]
    given = [str(tmp_path / text) if text in ("labels.csv", "out", "o.json") else text for text in given]
    status, said, error = rcl_(*given)
    assert (status, said) == (2, "")
    assert words in error
    assert f"rcl {arguments[0]}" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extension", [".csv", ".json"])
def test_swapped_detections_and_annotations_are_named(pack: Path, tmp_path: Path, rcl_: Rcl, extension: str) -> None:
    video = next(iter(load_annotations(pack / "annotations.json").subset("validation").videos))
    zero = np.zeros(1, dtype=np.int64)
    found = tmp_path / f"found{extension}"
    save_detections(Detections((video,), zero, np.array([[0.0, 3.0]]), ("clap",), zero, np.array([0.9])), found)
    for truth in (pack, pack / "annotations.json"):
        for command in (("evaluate",), ("diagnose", "--output", tmp_path / "figures")):
            status, _, error = rcl_(*command, truth, found)
            assert status == 2
            assert f"rcl {command[0]}: expected the detections and then the annotations" in error
            assert "swap the two" in error
    status, _, error = rcl_("evaluate", found, tmp_path / "missing.json")
    assert status == 2
    assert "swap the two" not in error


def test_a_subset_needs_a_pack(tmp_path: Path, run_folder: Path, pack: Path, rcl_: Rcl) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(60, 32)).astype("f4"))
    start = ("detect", run_folder, tmp_path / "v.npy")
    end = ("--subset", "validation", "--output", tmp_path / "o.json")
    status, _, error = rcl_(*start, *end)
    assert status == 2
    assert "--subset: expected a pack" in error
    status, _, error = rcl_(*start, pack, *end)
    assert status == 0, error
    assert "--subset concerns packs alone" in error
    assert len(json.loads((tmp_path / "o.json").read_text())["results"]) == 5


def test_training_says_which_setting_names_the_pack(tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("data: {}\n")
    status, _, error = rcl_("train", "config.yaml", "--output", "run")
    assert status == 2
    assert "add data.root=PACK" in error
    status, _, error = rcl_("train", "config.yaml", "data.root=elsewhere", "--output", "run")
    assert status == 2
    assert "no annotations.json in elsewhere" in error
