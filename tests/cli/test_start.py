"""Commands that need no network start without torch, and ``import rcl`` imports nothing heavy."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rcl
from typed import Rcl

HEAVY = ["av", "cv2", "h5py", "lightning", "matplotlib", "pandas", "plotly", "ray", "torch", "transformers"]

COMMAND = """
import sys
from rcl.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def heavy_modules(code: str, *arguments: object) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after running the code."""
    report = f"\nimport json\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)"
    process = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}{report}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def files(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with annotations and perfect detections of them."""
    folder = tmp_path_factory.mktemp("files")
    annotations = (pack / "annotations.json").read_text()
    (folder / "truth.json").write_text(annotations)
    database = json.loads(annotations)["database"]
    results = {
        name: [{**instance, "score": 0.9} for instance in video["annotations"]]
        for name, video in database.items()
        if video["subset"] == "validation"
    }
    (folder / "found.json").write_text(json.dumps({"results": results}))
    return folder


def test_importing_the_command_line_is_light() -> None:
    assert heavy_modules("import rcl.cli") == set()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], *([name, "--help"] for name in ("fit", "train", "crossval", "detect"))],
    ids=" ".join,
)
def test_help_is_light(arguments: list[str]) -> None:
    assert heavy_modules(COMMAND, *arguments) == set()


def test_files_are_converted_without_torch(files: Path, tmp_path: Path) -> None:
    exported = tmp_path / "via.json"
    assert heavy_modules(COMMAND, "export", files / "truth.json", "--format", "via", "--output", exported) == set()
    assert heavy_modules(COMMAND, "export", files / "found.json", "--format", "elan", "--output", tmp_path) == set()
    assert heavy_modules(COMMAND, "import", exported, "--output", tmp_path / "back.json") == set()


def test_results_are_evaluated_without_torch(files: Path, tmp_path: Path) -> None:
    pair = (files / "found.json", files / "truth.json")
    assert heavy_modules(COMMAND, "evaluate", *pair, "--json", tmp_path / "evaluation.json") == set()
    other = tmp_path / "other.json"
    other.write_text(pair[0].read_text())
    assert heavy_modules(COMMAND, "compare", other, *pair, "--json", tmp_path / "comparison.json") == set()
    assert heavy_modules(COMMAND, "diagnose", *pair, "--output", tmp_path) == {"matplotlib"}


def test_the_version_is_that_of_the_package(rcl_: Rcl) -> None:
    result = rcl_("--version")
    assert (result.status, result.out) == (0, f"rcl {rcl.__version__}\n")
    assert rcl.__version__ == importlib.metadata.version("rcl-tad")


def test_the_shell_completes_commands() -> None:
    environment = {**os.environ, "_RCL_COMPLETE": "complete_bash", "COMP_WORDS": "rcl ev", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['rcl']; from rcl.cli import main; main()"
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert process.stdout.split() == ["evaluate"]


# -- the public names --------------------------------------------------------------------------------------------


def test_public_names_are_imported_when_they_are_used() -> None:
    assert heavy_modules("import rcl\nassert set(rcl.__all__) <= set(dir(rcl))") == set()
    assert heavy_modules("import rcl\nrcl.load_annotations, rcl.Detections, rcl.InputError") == set()
    assert "torch" in heavy_modules("import rcl\nrcl.Localizer")


def test_every_public_name_exists() -> None:
    for name in rcl.__all__:
        assert getattr(rcl, name) is not None
    with pytest.raises(AttributeError, match="'rcl' has no attribute 'localiser'"):
        rcl.localiser  # noqa: B018
