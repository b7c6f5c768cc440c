"""README's "Your own videos" with what people bring: cameras in folders, names of a Mac, a table of a spreadsheet."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest

from places import ROOT
from quick import film, quick_fit
from rcl import load_annotations, load_detections
from rcl.data.annotations import Annotations
from rcl.data.names import match_names
from rcl.detector.localizer import Localizer
from rcl.web.serve.session import Session
from test_readme import blocks, commands
from typed import Rcl

NFC = ["Küche 1/001", "Küche 1/002", "Küche 2/001", "Küche 2/café au lait"]  # as the table and our names have them
NFD = [unicodedata.normalize("NFD", name) for name in NFC]  # as a Mac names files


def clock(seconds: float) -> str:
    """``mm:ss,s``, as a spreadsheet of a European writes it."""
    return f"{int(seconds // 60):02}:{seconds % 60:04.1f}".replace(".", ",")


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Annotations:
    """Four videos in two folders, ``labels.csv`` as a spreadsheet saves it, and the labels that it holds."""
    monkeypatch.chdir(tmp_path)
    quick_fit(monkeypatch)
    rendered = film(tmp_path / "rendered", 4)
    lines = ["Video;Start (mm:ss);End (mm:ss);Behavior;;"]
    for video, name, filed in zip(rendered.videos.values(), NFC, NFD, strict=True):
        place = tmp_path / "demo" / "videos" / f"{filed}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rendered" / f"{video.name}.mp4").rename(place)
        windows = name.replace("/", "\\")
        lines += [f"{windows}.mp4;{clock(start)};{clock(end)};move;;" for start, end in video.segments_seconds]
    (tmp_path / "labels.csv").write_text("\r\n".join([*lines, ";;;;;", ""]), encoding="utf-8-sig")
    return rendered.renamed(dict(zip(rendered.videos, NFC, strict=True)))


def test_the_whole_section_with_what_people_bring(brought: Annotations, rcl_: Rcl) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Your own videos\n(.*?)^## ", readme, flags=re.MULTILINE | re.DOTALL)
    steps = [command for block in blocks(section) if block.language == "sh" for command in commands(block.text)]
    assert [step[0] for step in steps] == ["fit", "detect", "export", "import", "ethogram", "clips"]
    for step in steps:
        words = [word for part in step for word in (map(str, sorted(Path().glob(part))) if "*" in part else [part])]
        words = ["move" if word == "kick" else word for word in words]  # the one label of these videos
        if "--min-score" in words:  # a detector of one epoch is sure of nothing
            words[words.index("--min-score") + 1] = "0"
        result = rcl_(*words)
        assert result.status == 0, result.err

    fitted = load_annotations("my-run/pack/annotations.json", clip=False)
    assert sorted(fitted.videos) == NFC
    for name, video in brought.videos.items():
        written = [round(time, 1) for time in video.segments_seconds.ravel().tolist()]
        assert fitted.videos[name].segments_seconds.ravel().tolist() == pytest.approx(written)
        assert fitted.videos[name].labels == ("move",)
    held_out = sorted(fitted.subset("validation").videos)
    assert sorted(load_detections("my-run/detections.json").videos) == held_out

    assert sorted(load_detections("detections.csv").videos) == NFC
    assert (
        sorted(path.relative_to("subtitles").with_suffix("").as_posix() for path in Path("subtitles").rglob("*.srt"))
        == NFC
    )
    assert sorted(load_annotations("corrected.json").videos) == NFC


def test_the_table_and_the_detections_fit_together_in_every_command(brought: Annotations, rcl_: Rcl) -> None:
    assert rcl_("fit", "demo/videos", "labels.csv", "--output", "my-run").status == 0
    assert rcl_("detect", "my-run/last.ckpt", "demo/videos", "--output", "found.csv").status == 0
    compared = ["found.csv", "labels.csv", "--subset", "training"]
    evaluated = rcl_("evaluate", *compared, "--json", "evaluation.json")
    assert evaluated.status == 0, evaluated.err
    assert json.loads(Path("evaluation.json").read_text())["counts"]["videos"] == 4
    assert rcl_("diagnose", *compared, "--output", "diagnosis").status == 0
    page = ["--annotations", "labels.csv", "--videos", "demo/videos", "--subset", "training", "--output", "report.html"]
    assert rcl_("report", "found.csv", *page).status == 0
    exported = rcl_(
        "export", "labels.csv", "--format", "label-studio", "--videos", "demo/videos", "--output", "tasks.json"
    )
    assert exported.status == 0, exported.err
    assert rcl_("import", "tasks.json", "--output", "back.csv").status == 0
    back = load_annotations("back.csv").videos  # under the names as the table has them
    assert sorted(match_names(back, NFC).pairs.values()) == NFC
    session = Session(Localizer.load("my-run/last.ckpt"), Path("demo/videos"))
    assert sorted(video["name"] for video in session.overview()["videos"]) == NFC
    session.close()
