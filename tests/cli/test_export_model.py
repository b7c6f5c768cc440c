"""``rcl export-model``, ``rcl detect`` with its files, and the example, all but the first without PyTorch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from exports import FACTS, assert_close, save_checkpoint, video
from rcl.cli import main
from rcl.cli.detect import partial_results
from rcl.cli.detector_files import open_detector
from rcl.cli.extraction_options import DetectorFiles
from rcl.data.detections import Detections
from rcl.data.formats.results import load_detections
from rcl.detector.exported.description import find_exported
from rcl.detector.localizer import Localizer
from typed import Rcl

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "detector"))

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "detect_with_onnx.py"
WITHOUT = "import sys; sys.modules.update(dict.fromkeys({names}))"
COMMAND = "; from rcl.cli import main; main()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its export and two feature files."""
    folder = tmp_path_factory.mktemp("exported")
    save_checkpoint("usual", folder / "last.ckpt")
    (folder / "features").mkdir()
    for number, snippets in enumerate((150, 37)):
        np.save(folder / "features" / f"v{number}.npy", video("usual", snippets, seed=number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["rcl", "export-model", str(folder), "--output", str(folder / "new")])
        with pytest.raises(SystemExit, match="0"):
            main()
    assert (folder / "new" / "model.json").is_file()
    return folder


def run_without(names: Sequence[str], code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code where some packages cannot be imported."""
    command = [sys.executable, "-c", WITHOUT.format(names=[*names]) + code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def wanted(folder: Path, number: int) -> Detections:
    path = folder / "features" / f"v{number}.npy"
    return Localizer.load(folder, device="cpu").detect(path)


@pytest.mark.parametrize("name", ["new/model.onnx", "new/model.json", "new"])
def test_an_export_is_found_by_either_file_and_by_its_folder(folder: Path, name: str) -> None:
    assert find_exported(folder / name) == folder / "new" / "model.onnx"


@pytest.mark.parametrize("name", [".", "last.ckpt", "features", "new/other.onnx"])
def test_what_else_there_is_is_no_export(folder: Path, name: str) -> None:
    assert find_exported(folder / name) is None


def test_detects_in_packs_and_feature_files_without_torch(folder: Path, tmp_path: Path) -> None:
    database = {f"v{n}": {"subset": "validation", "fps": FACTS.snippets_per_second, "annotations": []} for n in (0, 1)}
    (tmp_path / "annotations.json").write_text(json.dumps({"database": database}))
    (tmp_path / "features").symlink_to(folder / "features")
    shutil.copyfile(folder / "features" / "v0.npy", tmp_path / "alone.npy")
    output = tmp_path / "found.json"
    options = ("--rates", "1", "--threads", 1, "--subtitles", tmp_path / "subtitles", "--min-score", 0.0)
    files = (folder / "new" / "model.onnx", tmp_path, tmp_path / "alone.npy", "--output", output)
    process = run_without(["torch"], COMMAND, "detect", *files, *options)
    assert process.returncode == 0, process.stderr
    found = load_detections(output)
    for name, number in {"v0": 0, "v1": 1, "alone": 0}.items():
        assert_close(found.for_video(name), wanted(folder, number))
        assert (tmp_path / "subtitles" / f"{name}.srt").is_file()


@pytest.mark.parametrize(
    ("detector", "file", "message"),
    [
        ("new", "a.mp4", "expected PyTorch, which extracts the features of videos, found none"),
        ("last.ckpt", "features/v0.npy", "expected PyTorch, which a checkpoint needs, or a model.onnx"),
        ("new/other.onnx", "features/v0.npy", "correct the path of the exported detector"),
    ],
)
def test_what_needs_torch_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rcl_: Rcl, detector: str, file: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = rcl_("detect", folder / detector, folder / file, "--output", tmp_path / "found.json")
    assert result.status == 2
    assert message in result.err


def test_the_example_needs_numpy_and_onnx_runtime_alone(folder: Path) -> None:
    code = f"; import runpy; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    file = folder / "features" / "v0.npy"
    process = run_without(["torch", "rcl", "onnx", "scipy"], code, folder / "new" / "model.onnx", file)
    assert process.returncode == 0, process.stderr
    rows = [line.split("\t") for line in process.stdout.splitlines()]
    found = Detections(
        ("v0",),
        [0] * len(rows),  # type: ignore[arg-type]
        np.array([[float(start), float(end)] for start, end, *_ in rows]),
        FACTS.labels,
        [FACTS.labels.index(label) for *_, label, _ in rows],  # type: ignore[arg-type]
        np.array([float(score) for *_, score in rows]),
    )
    assert_close(found, wanted(folder, 0))


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 50


def test_the_command_says_how_equal_they_are(tmp_path: Path, rcl_: Rcl) -> None:
    save_checkpoint("points", tmp_path / "last.ckpt")
    for _ in range(2):  # its own files are replaced
        result = rcl_("export-model", tmp_path)
        assert result.status == 0, result.err
        assert "The largest difference from the detector is" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "model.json", "model.onnx"]


def test_only_an_earlier_export_is_replaced(folder: Path, tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "model.onnx").write_bytes(b"another network")
    result = rcl_("export-model", folder, "--output", tmp_path / "model.onnx")
    assert result.status == 2
    assert "expected a new file" in result.err
    assert (tmp_path / "model.onnx").read_bytes() == b"another network"
    assert rcl_("export-model", folder, "--output", tmp_path / "model.ckpt").status == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda onnx, description: description.unlink(), "expected the description of a detector, found no such file"),
        (lambda onnx, description: description.write_text("{}"), "found another JSON file"),
        (lambda onnx, description: description.write_text('{"rcl_detector": 9}'), "found format 9; upgrade"),
        (lambda onnx, description: description.write_text('{"rcl_detector": 1}'), "a part missing or damaged"),
        (lambda onnx, description: edit(description, rates=[0.01]), "rates: expected numbers from 0.1 to 10"),
        (lambda onnx, description: edit(description, rates=["1"]), "a part missing or damaged"),
        (
            lambda onnx, description: edit(description, anchors={"kind": "none"}),
            "expected anchors of a kind in lattice",
        ),
        (lambda onnx, description: edit(description, channels=9), "expected a scale of 9 channels"),
        (lambda onnx, description: onnx.write_bytes(b"1"), "the graph that model.json describes, found another one"),
    ],
)
def test_damaged_exports_are_refused(folder: Path, tmp_path: Path, rcl_: Rcl, change, message: str) -> None:
    for name in ("model.onnx", "model.json"):
        (tmp_path / name).write_bytes((folder / "new" / name).read_bytes())
    change(tmp_path / "model.onnx", tmp_path / "model.json")
    features = folder / "features" / "v0.npy"
    result = rcl_("detect", tmp_path / "model.onnx", features, "--output", tmp_path / "found.json")
    assert result.status == 2
    assert message in result.err


def edit(description: Path, **values: object) -> None:
    description.write_text(json.dumps({**json.loads(description.read_text()), **values}))


def test_results_so_far_do_not_count_after_the_description_was_edited(folder: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.json"):
        (tmp_path / name).write_bytes((folder / "new" / name).read_bytes())

    def made_with() -> str:
        opened = open_detector(tmp_path / "model.onnx", [tmp_path / "a.npy"], DetectorFiles(), cluster=None)
        return partial_results(tmp_path / "found.json", opened.files, {}).made_with

    before = made_with()
    assert made_with() == before
    edit(tmp_path / "model.json", rates=[0.5, 1.0])
    assert made_with() != before


def test_what_an_export_cannot_do_is_refused_by_name(folder: Path, tmp_path: Path, rcl_: Rcl) -> None:
    files = (folder / "new" / "model.onnx", folder / "features" / "v0.npy", "--output", tmp_path / "found.json")
    result = rcl_("detect", *files, "--steps", 1)
    assert (result.status, "leave it out, or use the checkpoint" in result.err) == (2, True)
    result = rcl_("detect", *files, "--decide")
    assert (result.status, "expected operating points to decide by, found none" in result.err) == (2, True)
    result = rcl_("detect", files[1], files[0], *files[2:])
    assert (result.status, "swap the two" in result.err) == (2, True)
    result = rcl_("segment", *files)
    assert (result.status, "only rcl detect takes exported detectors" in result.err) == (2, True)
