"""``rcl diagnose``: files, output and exit status."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from rcl.cli.detectors import detector_names
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections, save_detections
from rcl.evaluation import figures
from rcl.evaluation.detad import diagnose
from typed import Rcl

KINDS = {"true_positive", "double_detection", "wrong_label", "localization", "confusion", "background"}
FIGURES = {
    f"{name}.{kind}" for name in ("sensitivity", "false_positives", "false_negatives") for kind in ("svg", "png")
}


def made_detections(pack: Path, *, seed: int, labelled: bool = True) -> Detections:
    """The ground truth of the validation videos, moved and mislabelled, each instance twice."""
    random = np.random.default_rng(seed)
    truth = load_annotations(pack / "annotations.json").subset("validation")
    video, segments, labels = [], [], []
    for index, entry in enumerate(truth.videos.values()):
        for (start, end), label in zip(entry.segments_seconds, entry.labels, strict=True):
            for _ in range(2):
                moved = start + random.normal(0, 0.2) * (end - start)
                video.append(index)
                segments.append((moved, moved + (end - start) * random.uniform(0.6, 1.4)))
                labels.append(truth.labels.index(label) if random.random() < 0.8 else random.integers(5))
    return Detections(
        tuple(truth.videos),
        np.array(video),
        np.array(segments),
        truth.labels if labelled else ("",),
        np.array(labels) if labelled else np.zeros(len(labels), dtype=np.int64),
        random.random(len(video)),
    )


@pytest.fixture(scope="module")
def results(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the detections of two detectors."""
    folder = tmp_path_factory.mktemp("results")
    for seed, name in enumerate(("ours", "theirs")):
        save_detections(made_detections(pack, seed=seed), folder / f"{name}.json")
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the figures, which take a second."""
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)


def numbers(value: Any) -> Iterator[float]:
    """All numbers of nested JSON."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


def refuse_constants(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constants)


# ---- one detector


def test_files_and_output(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "diagnosis"
    result = rcl_("diagnose", results / "ours.json", pack, "--output", output)
    assert result.status == 0, result.err
    assert {path.name for path in output.iterdir()} == {"detad.json", *FIGURES}

    written = read(output / "detad.json")
    truth = load_annotations(pack / "annotations.json", clip=False).subset("validation")
    expected = diagnose(
        load_detections(results / "ours.json"), truth, tiou_thresholds=np.linspace(0.3, 0.7, 5), buckets="data"
    )
    assert written == json.loads(json.dumps(expected.to_json()))
    assert 0 < written["average_mAP_N"] < 1
    assert written["sensitivity"].keys() == {"coverage", "length", "num-instances"}
    for name, by_bucket in written["sensitivity"].items():
        buckets = written["characteristics"][name]["buckets"]
        assert list(by_bucket) == list(written["false_negatives"][name]) == buckets
    positives = written["false_positives"]
    assert positives["fractions"].keys() == KINDS
    assert sum(positives["fractions"].values()) == pytest.approx(1)
    assert positives["gains"].keys() == KINDS - {"true_positive"}
    assert len(positives["bands"]) == 10
    fractions = [written[key] for key in ("sensitivity", "false_negatives", "false_negative_pairs")]
    assert all(0 <= number <= 1 for number in numbers([*fractions, positives["fractions"], positives["gains"]]))

    assert "double detection" in result.out
    assert f"{100 * written['average_mAP_N']:.1f}" in result.out
    assert "nan" not in result.out.lower()
    assert "quantiles of the data" in result.err


@pytest.mark.parametrize("buckets", ["activitynet", "thumos14", "data"])
@pytest.mark.usefixtures("undrawn")
def test_buckets_and_thresholds(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path, buckets: str) -> None:
    annotations = pack / "annotations.json"
    options = ("--buckets", buckets, "--tiou", "0.5", "--output", tmp_path)
    result = rcl_("diagnose", results / "ours.json", annotations, *options)
    assert result.status == 0, result.err
    written = read(tmp_path / "detad.json")
    assert (written["bucket_scheme"], written["tiou_thresholds"]) == (buckets, [0.5])
    empty = [rate is None for rates in written["sensitivity"].values() for rate in rates.values()]
    assert any(empty) == (buckets != "data")
    if buckets != "data":
        assert re.search(r"no instance is in the buckets .* of num-instances", result.err)
        assert "–" in result.out


@pytest.mark.usefixtures("undrawn")
def test_annotations_with_context(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    content = read(pack / "annotations.json")
    for entry in content["database"].values():
        for place, instance in enumerate(entry["annotations"]):
            instance |= {"context-size": place % 7, "context-distance": place % 4, "agreement": None}
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    result = rcl_("diagnose", results / "ours.json", tmp_path, "--output", tmp_path / "out")
    assert result.status == 0, result.err
    characteristics = ["context-size", "context-distance", "coverage", "length", "num-instances"]
    assert list(read(tmp_path / "out" / "detad.json")["sensitivity"]) == characteristics


# ---- several detectors


def test_side_by_side(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    files = results / "ours.json", results / "theirs.json"
    result = rcl_("diagnose", *files, pack, "--output", tmp_path)
    assert result.status == 0, result.err
    written = read(tmp_path / "detad.json")["detectors"]
    assert list(written) == ["ours", "theirs"]
    assert written["ours"] != written["theirs"]
    assert {path.name for path in tmp_path.iterdir()} == {"detad.json", *FIGURES}
    assert "theirs" in result.out

    truth = load_annotations(pack / "annotations.json", clip=False).subset("validation")
    alone = diagnose(load_detections(files[1]), truth, tiou_thresholds=np.linspace(0.3, 0.7, 5), buckets="data")
    assert written["theirs"] == json.loads(json.dumps(alone.to_json()))


def test_names_by_default() -> None:
    assert detector_names([Path("a/rcl.json"), Path("b/bmn.json")], []) == ["rcl", "bmn"]
    assert detector_names([Path("runs/rcl/detections.json"), Path("runs/bmn/detections.json")], []) == ["rcl", "bmn"]


@pytest.mark.usefixtures("undrawn")
def test_names(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("rcl", "bmn")]
    for folder, name in zip(folders, ("ours", "theirs"), strict=True):
        folder.mkdir()
        (folder / "detections.json").write_bytes((results / f"{name}.json").read_bytes())
    files = [folder / "detections.json" for folder in folders]
    output = tmp_path / "out"
    named = ("--name", "[bold]RCL", "--name", "G-TAD $x$", "--output", output)
    result = rcl_("diagnose", *files, pack, *named)
    assert result.status == 0, result.err
    assert list(read(output / "detad.json")["detectors"]) == ["[bold]RCL", "G-TAD $x$"]
    assert "[bold]RCL" in result.out

    result = rcl_("diagnose", *files, pack, "--name", "only one", "--output", output)
    assert (result.status, "--name: expected one name per results file (2), found 1" in result.err) == (2, True)
    result = rcl_("diagnose", *files, pack, "--name", "a", "--name", "a", "--output", output)
    assert (result.status, "found 'a' twice" in result.err) == (2, True)
    result = rcl_("diagnose", files[0], files[0], pack, "--output", output)
    assert (result.status, "name them with --name" in result.err) == (2, True)


# ---- unusual detections


@pytest.mark.usefixtures("undrawn")
def test_unknown_videos_and_labels_are_counted(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    content = read(results / "ours.json")
    content["results"]["a stranger"] = [{"segment": [0, 1], "label": "clap", "score": 0.5}] * 3
    next(iter(content["results"].values()))[:2] = [{"segment": [0, 1], "label": "sing", "score": 0.5}] * 2
    content["results"]["video-000"] = [{"segment": [0, 1], "label": "clap", "score": 0.5}]  # a training video
    path = tmp_path / "detections.json"
    path.write_text(json.dumps(content))
    result = rcl_("diagnose", path, pack, "--output", tmp_path)
    assert result.status == 0
    assert (
        "detections: 3 detections in 1 video without annotations: counted as wrong. They are in 'a stranger'."
        in result.err
    )
    assert (
        "detections: 2 detections with labels that no ground truth has: not part of any AP. They say 'sing'."
        in result.err
    )
    assert "ignored the detections in 1 video outside the validation subset" in result.err
    counts = read(tmp_path / "detad.json")["counts"]
    assert (counts["in_other_videos"], counts["of_other_labels"]) == (3, 2)


@pytest.mark.usefixtures("undrawn")
def test_proposals(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    path = tmp_path / "proposals.json"
    save_detections(made_detections(pack, seed=0, labelled=False), path)
    result = rcl_("diagnose", path, pack, "--output", tmp_path / "out")
    assert result.status == 0
    assert "the detections have no labels" in result.err
    assert read(tmp_path / "out" / "detad.json")["false_positives"]["fractions"]["wrong_label"] == 0
    result = rcl_("diagnose", path, results / "ours.json", pack, "--output", tmp_path / "out")
    assert (result.status, "give those with labels alone" in result.err) == (2, True)


def test_no_detections(rcl_: Rcl, pack: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    path.write_text('{"results": {"video-016": []}}')
    result = rcl_("diagnose", path, pack, "--output", tmp_path / "out")
    assert (result.status, result.out) == (2, "")
    assert "none.json: expected detections, found none in 1 video" in result.err


def test_a_diagnosis_of_nothing_is_drawn(pack: Path, tmp_path: Path) -> None:
    truth = load_annotations(pack / "annotations.json").subset("validation")
    diagnosis = diagnose(Detections.empty(), truth, tiou_thresholds=[0.5])
    written = diagnosis.to_json()
    assert written["average_mAP_N"] == 0
    assert set(written["false_positives"]["fractions"].values()) == {None}
    figures.save_figure(figures.sensitivity_figure({"none": diagnosis}), tmp_path / "sensitivity.png")
    assert (tmp_path / "sensitivity.png").stat().st_size > 1000


# ---- wrong input


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"label": "clap", "score": "high"}, "a finite number as score, found 'high'"),
        ({"label": "clap", "score": float("nan")}, "a finite number as score, found nan"),
        ({"label": "sing", "score": 0.5}, "found sing; give annotations with the same labels"),
    ],
)
def test_wrong_values(rcl_: Rcl, pack: Path, tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    path = tmp_path / "detections.json"
    path.write_text(json.dumps({"results": {"video-016": [{"segment": [0, 1], **entry}]}}))
    result = rcl_("diagnose", path, pack, "--output", tmp_path / "out")
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert not (tmp_path / "out" / "detad.json").exists()


def test_wrong_arguments(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    ours, output = results / "ours.json", ("--output", tmp_path)
    stranger = tmp_path / "strangers.json"
    stranger.write_text('{"results": {"stranger": [{"segment": [0, 1], "label": "clap", "score": 1}]}}')
    (tmp_path / "a file").touch()
    for arguments, said in [
        ((pack, *output), "expected DETECTIONS and then ANNOTATIONS"),
        ((ours, pack, *output, "--buckets", "hacs"), "--buckets: expected auto or activitynet or thumos14 or data"),
        ((ours, pack, *output, "--tiou", "30"), "--tiou: expected"),
        ((ours, pack, *output, "--subset", "testing"), "expected videos in the subset testing"),
        ((ours, tmp_path / "nowhere.json", *output), "no such file"),
        ((pack / "annotations.json", ours, *output), "found the detections"),
        ((stranger, pack, *output), "found detections only in 'stranger'"),
        ((ours, pack, *output, "--subset", "training"), "expected detections in the training videos"),
        ((ours, pack, "--output", tmp_path / "a file"), "a file: expected a folder, found a file"),
    ]:
        result = rcl_("diagnose", *arguments)
        assert (result.status, result.out) == (2, ""), arguments
        assert said in result.err, result.err
        assert len(re.findall(r"^rcl: .*expected", result.err, re.MULTILINE)) == 1


# ---- figures


def test_figures_are_the_same_every_time(pack: Path, tmp_path: Path) -> None:
    truth = load_annotations(pack / "annotations.json", clip=False).subset("validation")
    made = {name: made_detections(pack, seed=seed) for seed, name in enumerate(("ours", "theirs"))}
    found = {name: diagnose(one, truth, tiou_thresholds=[0.5]) for name, one in made.items()}
    before = dict(matplotlib.rcParams)
    digests = []
    for size in (10, 30):
        matplotlib.rcParams["font.size"] = size  # a style of the user's own
        digest = hashlib.sha256()
        for draw in (figures.sensitivity_figure, figures.false_positive_figure, figures.false_negative_figure):
            for extension in (".svg", ".png"):
                path = tmp_path / f"figure{extension}"
                figures.save_figure(draw(found), path)
                digest.update(path.read_bytes())
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1]
    assert "dc:date" not in (tmp_path / "figure.svg").read_text()
    matplotlib.rcParams["font.size"] = before["font.size"]
    assert dict(matplotlib.rcParams) == before  # nothing of ours stays
