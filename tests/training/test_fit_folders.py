"""Videos in folders with equal file names: from ``rcl fit`` to detection, report, page, export and back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from places import SHARED
from quick import quick_fit
from rcl.data.annotations import Annotations
from rcl.data.formats.load import import_annotations, load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.localizer import Localizer
from rcl.web.serve.session import Session
from rendered import render
from typed import Rcl

FALLS = SHARED / "videos-real" / "falls"
TYPED = ("--workers", "1")


@pytest.fixture
def run(rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> Rcl:
    """``rcl`` with short trainings."""
    quick_fit(monkeypatch)
    return rcl_


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """Folders as in data sets: file names repeat. The folder and the table."""
    folder, rows = tmp_path / "videos", []
    for subject, subset in (("Subject 1", "training"), ("Subject 2", "validation")):
        for part in ("ADL", "Fall"):
            for name in ("01", "02"):
                file = folder / subject / part / f"{name}.mp4"
                file.parent.mkdir(parents=True, exist_ok=True)
                render(file, frames=30, rate=10)
                rows.append((f"{subject}/{part}/{name}.mp4", 0.5, 1.5 + 0.1 * len(rows), part, subset))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("video", "start", "end", "label", "subset"), *rows])
    return folder, tmp_path / "labels.csv"


def names_of(table: Path) -> list[str]:
    return sorted(name.removesuffix(".mp4") for name in load_annotations(table, clip=False).videos)


def assert_same(found: Annotations, expected: Annotations) -> None:
    """The same instances of the same videos."""
    assert sorted(found.videos) == sorted(expected.videos)
    for name, video in expected.videos.items():
        np.testing.assert_allclose(found.videos[name].segments_seconds, video.segments_seconds, atol=1e-3)
        assert found.videos[name].labels == video.labels


def test_names_with_folders_are_kept_throughout(tmp_path: Path, made: tuple[Path, Path], run: Rcl) -> None:
    videos, table = made
    names = names_of(table)
    told = run("fit", videos, table, "--output", tmp_path / "run", *TYPED)
    assert told.status == 0, told.err
    assert "class  training       validation" in told.err
    assert "Fall   2 in 2 videos  2 in 2 videos" in told.err
    pack = tmp_path / "run" / "pack"
    assert sorted(load_annotations(pack / "annotations.json").videos) == names
    assert sorted(load_detections(tmp_path / "run" / "detections.json").videos) == names[4:]

    found, subtitles = tmp_path / "all.json", tmp_path / "subtitles"
    told = run("detect", tmp_path / "run" / "last.ckpt", videos, "--output", found, "--subtitles", subtitles)
    assert told.status == 0, told.err
    assert sorted(load_detections(found).videos) == names
    assert sorted(str(path.relative_to(subtitles).with_suffix("")) for path in subtitles.rglob("*.vtt")) == names
    told = run("report", found, "--annotations", pack, "--videos", videos, "--output", tmp_path / "report.html")
    assert told.status == 0, told.err
    assert "Subject 2/ADL/01" in (tmp_path / "report.html").read_text()

    session = Session(Localizer.load(tmp_path / "run" / "last.ckpt"), videos)
    try:
        assert [video["name"] for video in session.overview()["videos"]] == names
    finally:
        session.close()

    truth = load_annotations(pack / "annotations.json", clip=False)
    for kind, output in (("label-studio", "a.json"), ("via", "b.json"), ("csv", "c.csv"), ("elan", "elan")):
        told = run("export", pack, "--format", kind, "--videos", videos, "--output", tmp_path / output)
        assert told.status == 0, told.err
        assert "guessed" not in told.err
        files = sorted((tmp_path / output).iterdir()) if kind == "elan" else [tmp_path / output]
        assert_same(Annotations.merge([import_annotations(file) for file in files]), truth)
        told = run("import", *files, "--output", tmp_path / f"{kind}-back.csv")
        assert told.status == 0, told.err
        assert names_of(tmp_path / f"{kind}-back.csv") == names


def test_labels_that_only_validation_has_do_not_stop_a_fit(
    tmp_path: Path, made: tuple[Path, Path], run: Rcl, caplog: pytest.LogCaptureFixture
) -> None:
    videos, table = made
    table.write_text(table.read_text() + "Subject 2/ADL/01.mp4,2,2.5,sleeping,validation\n")
    told = run("fit", videos, table, "--output", tmp_path / "run", *TYPED)
    assert told.status == 0, told.err
    assert "1 instance of validation with a label that does not occur in training" in told.err + caplog.text
    told = run("evaluate", tmp_path / "run" / "detections.json", tmp_path / "run" / "pack")
    assert "5 instances of 3 actions in 4 videos" in told.out  # with the one that must be missed


def test_a_smaller_table_keeps_the_other_labels_and_says_so(
    tmp_path: Path, made: tuple[Path, Path], run: Rcl, caplog: pytest.LogCaptureFixture
) -> None:
    videos, table = made
    settings = ("--rate", "15", "--stride", "3", "--window", "4", *TYPED)
    assert run("extract", videos, "--labels", table, "--output", tmp_path / "run" / "pack", *settings).status == 0
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:2], *lines[5:6]]) + "\n")
    told = run("fit", videos, table, "--output", tmp_path / "run", *settings)
    assert told.status == 0, told.err
    assert "2 of 8 videos have labels; these videos have no labels: " in told.err
    assert "are trained on, too: 'Subject 1/ADL/02'" in told.err + caplog.text
    kept = load_annotations(tmp_path / "run" / "pack" / "annotations.json")
    assert all(video.labels for video in kept.videos.values())


@pytest.mark.skipif(not FALLS.exists(), reason="the videos of ../shared are not here")
def test_a_public_data_set_as_its_authors_laid_it_out(tmp_path: Path, run: Rcl) -> None:
    chosen = ("Subject 1/ADL/10", "Subject 1/Fall/13", "Subject 2/ADL/23", "Subject 2/Fall/12", "Subject 2/Fall/13")
    for name in chosen:
        (tmp_path / "falls" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "falls" / f"{name}.mp4").symlink_to(FALLS / "videos" / f"{name}.mp4")
    told = run("fit", tmp_path / "falls", FALLS / "labels.csv", "--output", tmp_path / "run", "--rate", "5", *TYPED)
    assert told.status == 2, told.err  # most labels have no video in this part of the data set
    assert "the labels name videos that were not found: 'Subject 1/ADL/16.mp4'" in told.err
    assert sorted(load_detections(tmp_path / "run" / "detections.json").videos) == list(chosen[:2])
