"""A command replaces its own earlier output, and no other file unless it is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plain_bmn import PlainBMN
from rcl.cli import output_kinds as kinds
from rcl.cli.outputs import check_demo, check_fit, check_replaceable, mark_demo
from rcl.data.detections import Detections
from rcl.data.formats.results import save_detections
from rcl.data.formats.subtitles import save_subtitles
from rcl.detector.config import Config
from rcl.system.errors import InputError
from rcl.system.paths import to_path
from typed import Rcl
from untrained import save_untrained

LABELS = "video,start,end,label\nkitchen,1.5,4,pour\n"
ANNOTATIONS = json.dumps({"version": "1", "database": {"kitchen": {"annotations": []}}})
SPOKEN = "1\n00:00:01,000 --> 00:00:02,000\nWe use 100% of it.\n\n2\n00:00:03,000 --> 00:00:04,000\nGood morning.\n"
FOREIGN = {
    ".csv": LABELS,
    ".json": ANNOTATIONS,
    ".html": "<!doctype html>\n<title>My notes</title>",
    ".srt": SPOKEN,
    ".vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hello",
    ".svg": "<svg/>",
    ".eaf": "<ANNOTATION_DOCUMENT/>",
    ".xml": "<View/>",
    ".txt": "My notes",
    ".boris": "{}",
    ".ckpt": "weights of years",
}


@pytest.fixture(scope="module")
def made(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What commands read: a detector, detections in the pack, labels, and weights of BMN."""
    folder = tmp_path_factory.mktemp("made")
    names = [f"video-{number:03d}" for number in range(16, 20)]
    found = [
        (name, 10.0 * number, 10.0 * number + 5, label, 0.9)
        for name in names
        for number, label in enumerate(["clap", "dance", "jump", "walk", "wave"])
    ]
    save_detections(detections_of(found), folder / "found.csv")
    (folder / "labels.csv").write_text(LABELS)
    torch.save(PlainBMN(in_channels=4, snippets=8).state_dict(), folder / "bmn.pth")
    return SimpleNamespace(
        pack=pack,
        found=folder / "found.csv",
        labels=folder / "labels.csv",
        weights=folder / "bmn.pth",
        checkpoint=save_untrained(folder / "last.ckpt"),
        features=pack / "features" / "video-016.npy",
    )


def detections_of(rows: list[tuple[str, float, float, str, float]]) -> Detections:
    videos, labels = sorted({row[0] for row in rows}), sorted({row[3] for row in rows})
    return Detections(
        videos=tuple(videos),
        video_index=np.array([videos.index(row[0]) for row in rows], dtype=np.int64),
        segments_seconds=np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        labels=tuple(labels),
        label_index=np.array([labels.index(row[3]) for row in rows], dtype=np.int64),
        scores=np.array([row[4] for row in rows], dtype=np.float64),
    )


COMMANDS: dict[str, tuple[Callable[[SimpleNamespace], list[object]], str]] = {
    "detect json": (lambda m: ["detect", m.checkpoint, m.features, "--output"], "a.json"),
    "detect csv": (lambda m: ["detect", m.checkpoint, m.features, "--output"], "a.csv"),
    "detect srt": (lambda m: ["detect", m.checkpoint, m.features, "--output"], "a.srt"),
    "detect vtt": (lambda m: ["detect", m.checkpoint, m.features, "--output"], "a.vtt"),
    "evaluate": (lambda m: ["evaluate", m.found, m.pack, "--json"], "a.json"),
    "diagnose": (lambda m: ["diagnose", m.found, m.pack, "--output"], "./detad.json"),
    "diagnose, figures": (lambda m: ["diagnose", m.found, m.pack, "--output"], "./sensitivity.svg"),
    "report": (lambda m: ["report", m.found, "--annotations", m.pack, "--output"], "a.html"),
    "report without annotations": (lambda m: ["report", m.found, "--output"], "a.html"),
    "import json": (lambda m: ["import", m.labels, "--output"], "a.json"),
    "import csv": (lambda m: ["import", m.labels, "--subset", "validation", "--output"], "a.csv"),
    "export csv": (lambda m: ["export", m.labels, "--format", "csv", "--output"], "a.csv"),
    "export detections": (lambda m: ["export", m.found, "--format", "csv", "--min-score", 0.5, "--output"], "a.csv"),
    "export via": (lambda m: ["export", m.labels, "--format", "via", "--output"], "a.json"),
    "export label-studio": (
        lambda m: ["export", m.labels, "--format", "label-studio", "--fps", 25, "--output"], "a.json",
    ),
    "export boris": (lambda m: ["export", m.labels, "--format", "boris", "--output"], "a.boris"),
    "export fiftyone": (lambda m: ["export", m.labels, "--format", "fiftyone", "--output"], "a.json"),
    "export audacity": (lambda m: ["export", m.labels, "--format", "audacity", "--output"], "./kitchen.txt"),
    "convert": (lambda m: ["convert", m.weights, "--snippets", 8, "--output"], "a.ckpt"),
    "export elan": (lambda m: ["export", m.labels, "--format", "elan", "--output"], "./kitchen.eaf"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_foreign_file_stays_an_earlier_output_does_not(
    made: SimpleNamespace, tmp_path: Path, rcl_: Rcl, name: str
) -> None:
    build, file = COMMANDS[name]
    precious = tmp_path / file
    command = [*build(made), tmp_path if file.startswith("./") else precious]
    foreign = FOREIGN[precious.suffix]
    precious.write_text(foreign)
    refused = rcl_(*command)
    assert (refused.status, refused.out) == (2, "")
    assert str(precious) in refused.err
    assert "--overwrite" in refused.err
    assert refused.err.count("\n") == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == [foreign]  # and nothing else was written
    assert rcl_(*command, "--overwrite").status == 0
    ours = precious.read_bytes()
    assert ours != foreign.encode()
    precious.write_bytes(of_last_century(ours))
    assert rcl_(*command).status == 0
    assert of_last_century(precious.read_bytes()) == of_last_century(ours)


def of_last_century(content: bytes) -> bytes:
    """The files of VIA, ELAN and BORIS, as if they had been written long ago."""
    content = re.sub(rb'date": "\d[^"]*', b'date": "1999-01-01T00:00:00', content)
    content = re.sub(rb'DATE="\d[^"]*', b'DATE="1999-01-01T00:00:00+00:00', content)
    return re.sub(rb'"created": \d+', b'"created": 915148800000', content)


@pytest.mark.parametrize("name", ["import json", "import csv", "export csv", "export detections", "export via"])
def test_corrections_stay(made: SimpleNamespace, tmp_path: Path, rcl_: Rcl, name: str) -> None:
    build, file = COMMANDS[name]
    assert rcl_(*build(made), tmp_path / file).status == 0
    corrected = (tmp_path / file).read_text().replace("pour", "stir").replace("clap", "slap")
    (tmp_path / file).write_text(corrected)
    refused = rcl_(*build(made), tmp_path / file)
    assert refused.status == 2
    assert "or the same content" in refused.err
    assert (tmp_path / file).read_text() == corrected


def test_other_files_of_an_export_stay_too(made: SimpleNamespace, tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "a.xml").write_text("<View/>")
    command = [*COMMANDS["export label-studio"][0](made), tmp_path / "a.json"]
    assert "a.xml" in rcl_(*command).err
    assert not (tmp_path / "a.json").exists()
    assert rcl_(*command, "--overwrite").status == 0
    assert "<Label" in (tmp_path / "a.xml").read_text()


def test_subtitles_of_the_spoken_word_stay(made: SimpleNamespace, tmp_path: Path, rcl_: Rcl) -> None:
    command = ["detect", made.checkpoint, made.features, "--output", tmp_path / "a.json", "--subtitles", tmp_path]
    (tmp_path / "video-016.srt").write_text(SPOKEN)
    refused = rcl_(*command)
    assert refused.status == 2
    assert "video-016.srt" in refused.err
    assert "other subtitles" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["video-016.srt"]
    assert rcl_(*command, "--overwrite").status == 0
    assert rcl_(*command).status == 0


@pytest.mark.parametrize("option", [[], ["--overwrite"]])
def test_an_input_is_never_replaced(made: SimpleNamespace, tmp_path: Path, rcl_: Rcl, option: list[str]) -> None:
    (tmp_path / "found.csv").write_bytes(made.found.read_bytes())
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "link.csv").symlink_to(tmp_path / "labels.csv")
    found, labels, link = (tmp_path / name for name in ("found.csv", "labels.csv", "link.csv"))
    for command in (
        ["evaluate", found, made.pack, "--json", found],
        ["import", labels, "--output", labels],
        ["import", labels, "--output", link],
        ["export", found, "--format", "csv", "--output", found],
    ):
        refused = rcl_(*command, *option)
        assert refused.status == 2
        assert "found the input" in refused.err
    assert labels.read_text() == LABELS
    assert found.read_bytes() == made.found.read_bytes()


def test_the_message_says_what_the_file_is(made: SimpleNamespace, tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "a.csv").write_text(LABELS)
    (tmp_path / "a.json").write_text(ANNOTATIONS)
    detect = ["detect", tmp_path / "no.ckpt", made.features, "--output"]  # said before the checkpoint is read
    assert (
        "a new file, or detections that rcl wrote, found a table of labels; choose another name, or add"
        in rcl_(*detect, tmp_path / "a.csv").err
    )
    assert "found annotations" in rcl_(*detect, tmp_path / "a.json").err
    assert "found detections" in rcl_("report", made.pack, "--output", _copied(made.found, tmp_path / "b.html")).err


def _copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


# -- folders -----------------------------------------------------------------------------------------------------


def test_a_configuration_of_ones_own_is_not_replaced(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    mine = tmp_path / "config.yaml"
    text = f"# what worked\ndata: {{root: {pack}}}\ntraining: {{epochs: 1}}\n"
    mine.write_text(text)
    refused = rcl_("train", mine, "--output", tmp_path)
    assert refused.status == 2
    assert "found the input; choose another folder" in refused.err
    other = tmp_path / "other.yaml"
    other.write_text(text)
    refused = rcl_("train", other, "--output", tmp_path)
    assert refused.status == 2
    assert "the configuration of a run that rcl wrote" in refused.err
    assert "--overwrite" in refused.err
    assert mine.read_text() == text
    refused = rcl_("train", other, "--output", tmp_path, "--resume", "--overwrite")
    assert refused.status == 2
    assert "--resume" in refused.err


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "metrics.csv", "best.ckpt", "detections.json", "evaluation.json", "comparison.json", "report.html"],
)
def test_fit_replaces_only_files_of_a_run(tmp_path: Path, name: str) -> None:
    check_fit(tmp_path, resume=False, overwrite=False)
    (tmp_path / name).write_text("my own")
    with pytest.raises(InputError, match=f"{name}.*choose another folder, or add --overwrite"):
        check_fit(tmp_path, resume=False, overwrite=False)
    check_fit(tmp_path, resume=False, overwrite=True)
    assert (tmp_path / name).read_text() == "my own"


def test_a_demo_replaces_a_demo_whose_labels_are_as_it_wrote_them(tmp_path: Path, rcl_: Rcl) -> None:
    demo = tmp_path / "demo"
    check_demo(demo, overwrite=False)
    mark_demo(demo)
    (demo / "videos").mkdir()
    check_demo(demo, overwrite=False)  # one that was interrupted
    (demo / "labels.csv").write_text(LABELS)
    mark_demo(demo)
    check_demo(demo, overwrite=False)
    (demo / "labels.csv").write_text(LABELS + "kitchen,5,6,stir\n")
    with pytest.raises(InputError, match="the labels of the demo, found changed ones"):
        check_demo(demo, overwrite=False)
    check_demo(demo, overwrite=True)
    (demo / "demo.json").unlink()
    refused = rcl_("demo", "--output", demo)
    assert refused.status == 2
    assert "found videos, labels.csv of another origin" in refused.err


# -- recognition -------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(str.strip).filter(bool)
ROWS = st.lists(st.tuples(st.just("v"), st.floats(0, 50), st.floats(50, 99), TEXT, st.floats(0, 1)), max_size=5)


@given(ROWS)
def test_all_that_we_write_is_recognized(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    folder = tmp_path_factory.mktemp("kinds")
    for name in ("a.json", "a.csv"):
        save_detections(detections_of(rows), folder / name)
        check_replaceable(folder / name, kinds.DETECTIONS, overwrite=False)
    for name in ("a.srt", "a.vtt"):
        save_subtitles(detections_of(rows), folder / name, min_score=0.0)
        check_replaceable(folder / name, kinds.SUBTITLES, overwrite=False)


def test_long_subtitles_are_recognized_by_their_beginning(tmp_path: Path) -> None:
    rows = [("v", float(second), second + 1.0, "дом", 0.9) for second in range(5000)]
    save_subtitles(detections_of(rows), tmp_path / "a.srt")
    check_replaceable(tmp_path / "a.srt", kinds.SUBTITLES, overwrite=False)


def test_a_comparison_is_recognized() -> None:
    text = json.dumps({"after": 'C:\\runs\\"old"', "earlier": 0.5, "difference": 0.1}, indent=1)
    assert kinds.COMPARISON.recognizes(text)
    assert kinds.describe(text) == "a comparison of two detectors"


def test_a_configuration_as_we_write_it_is_recognized() -> None:
    text = yaml.safe_dump(Config().model_dump(mode="json"), sort_keys=False)
    assert kinds.CONFIGURATION.recognizes(text)
    assert not kinds.CONFIGURATION.recognizes(f"# mine\n{text}")
    assert not kinds.CONFIGURATION.recognizes("- a list\n")


@pytest.mark.parametrize("text", [*FOREIGN.values(), "", "\0\1", '{"results": {}}', '{"mAP": 3}', "video;start;end"])
def test_nothing_else_is_recognized(text: str) -> None:
    known = (kinds.DETECTIONS, kinds.SUBTITLES, kinds.EVALUATION, kinds.DIAGNOSIS, kinds.REPORT, kinds.CONFIGURATION)
    assert [kind.name for kind in known if kind.recognizes(text)] == []
    assert kinds.describe(text)


def test_files_in_object_stores_are_protected_too() -> None:
    pytest.importorskip("upath")
    path = to_path("memory://outputs/a.csv")
    path.write_text(LABELS)
    with pytest.raises(InputError, match="a table of labels"):
        check_replaceable(path, kinds.DETECTIONS, overwrite=False)
    path.write_text("video,start,end,label,score\n" + "v,1,2,x,0.5\n" * 9000)
    check_replaceable(path, kinds.DETECTIONS, overwrite=False)
    with pytest.raises(InputError, match="the input"):
        check_replaceable(path, kinds.DETECTIONS, overwrite=True, inputs=[None, to_path("memory://outputs/a.csv")])
