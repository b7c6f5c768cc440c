"""``rcl export-model``, ``rcl detect`` with its files, and the example, all but the first without PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from exports import FACTS, assert_close, save_checkpoint, video
from rcl.cli import main
from rcl.data.detections import Detections
from rcl.data.formats.results import load_detections
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
def test_detects_in_feature_files_without_torch(folder: Path, name: str, tmp_path: Path) -> None:
    files = [folder / "features" / f"v{number}.npy" for number in (0, 1)]
    output = tmp_path / "found.json"
    process = run_without(["torch"], COMMAND, "detect", folder / name, *files, "--output", output)
    assert process.returncode == 0, process.stderr
    found = load_detections(output)
    for number in (0, 1):
        assert_close(found.for_video(f"v{number}"), wanted(folder, number))


def test_detects_in_a_pack_without_torch(folder: Path, tmp_path: Path) -> None:
    database = {f"v{n}": {"subset": "validation", "fps": FACTS.snippets_per_second, "annotations": []} for n in (0, 1)}
    (tmp_path / "annotations.json").write_text(json.dumps({"database": database}))
    (tmp_path / "features").symlink_to(folder / "features")
    output = tmp_path / "found.json"
    subtitles = ("--rates", "1", "--threads", 1, "--subtitles", tmp_path / "subtitles", "--min-score", 0.0)
    process = run_without(
        ["torch"], COMMAND, "detect", folder / "new" / "model.onnx", tmp_path, "--output", output, *subtitles
    )
    assert process.returncode == 0, process.stderr
    assert_close(load_detections(output).for_video("v0"), wanted(folder, 0))
    assert (tmp_path / "subtitles" / "v1.srt").is_file()


def test_a_video_needs_torch(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    process = run_without(
        ["torch"], COMMAND, "detect", folder / "new", tmp_path / "a.mp4", "--output", tmp_path / "found.json"
    )
    assert process.returncode == 2
    assert "expected PyTorch, which extracts the features of videos, found none" in process.stderr


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


def test_what_an_export_cannot_do_is_refused_by_name(folder: Path, tmp_path: Path, rcl_: Rcl) -> None:
    files = (folder / "new" / "model.onnx", folder / "features" / "v0.npy", "--output", tmp_path / "found.json")
    result = rcl_("detect", *files, "--steps", 1)
    assert (result.status, "leave it out, or use the checkpoint" in result.err) == (2, True)
    result = rcl_("detect", *files, "--decide")
    assert (result.status, "expected operating points to decide by, found none" in result.err) == (2, True)
    result = rcl_("detect", files[1], files[0], *files[2:])
    assert (result.status, "swap the two" in result.err) == (2, True)
