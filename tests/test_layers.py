"""Imports point one way (docs/design.md, "Data flow"). Every import statement counts, also one inside a function."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "rcl"

# Unit → level. A unit is a module or a folder of modules that belong together; a new one has to be given a level here.
LEVELS = {
    **dict.fromkeys(
        [
            "segments",
            "soft_nms",
            "sequences",
            "annotations",
            "detections",
            "features",
            "predictions",
            "errors",
            "files",
            "feature_files",
            "tensor_files",
            "subtitles",
            "machine",
            "classifiers",
            "public_annotations",
            "rescaling",
            "windows",
            "chunks",
            "storage",
            "cluster",
            "exchange",
            "processes",
        ],
        1,
    ),
    **dict.fromkeys(
        ["datasets", "sampling", "alignment", "losses", "models", "postprocess", "evaluation", "config"], 2
    ),
    **dict.fromkeys(["checkpoints", "video", "rendering", "figure", "scenery"], 2),
    **dict.fromkeys(
        [
            "assembly",
            "training",
            "runs",
            "ending",
            "localizer",
            "inputs",
            "detecting",
            "cli",
            "report",
            "tables",
            "fit",
            "public_weights",
            "conversion",
        ],
        3,
    ),
    "serve": 3,
    "": 3,  # rcl/__init__.py: what users import
}
# Level 2 knows level 1, itself, and this.
BESIDES = {
    ("models", "alignment"),
    ("checkpoints", "config"),
    ("rendering", "figure"),
    ("rendering", "scenery"),
}
NOT_INSTALLED_HERE = {"torchvision", "torchaudio"}  # there is no CPU build

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(source, module, *, is_package=False):
    """The full names of the modules that a module imports from."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:  # a module of the package `base`, or a name inside the module `base`
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base


def unit_of(module):
    return [*module.split("."), ""][1]


def is_allowed(own, other):
    if own == other:
        return True
    if other == "cli":
        return False
    level, lower = LEVELS[own], LEVELS[other]
    return level > lower or level == lower != 2 or (own, other) in BESIDES


def violations(source, module, *, is_package=False):
    found = set()
    for name in imports(source, module, is_package=is_package):
        top = name.split(".")[0]
        if top in NOT_INSTALLED_HERE or (top == "rcl" and not is_allowed(unit_of(module), unit_of(name))):
            found.add(f"{module} imports {name}")
    return sorted(found)


def test_every_module_has_a_level():
    assert len(MODULES) > 20
    missing = {unit_of(module) for module in MODULES} - LEVELS.keys()
    assert not missing, f"give these a level in tests/test_layers.py: {sorted(missing)}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    path = MODULES[module]
    assert violations(path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source", "count"),
    [
        ("rcl.segments", "from rcl.errors import InputError", 0),
        ("rcl.segments", "from rcl.losses import tiou", 1),
        ("rcl.segments", "from rcl import losses", 1),
        ("rcl.segments", "import rcl.losses as l", 1),
        ("rcl.segments", "from . import losses", 1),
        ("rcl.segments", "from .losses import tiou", 1),
        ("rcl.segments", "def f():\n    from rcl.config import Config", 1),
        ("rcl.segments", "if TYPE_CHECKING:\n    from rcl.config import Config", 1),
        ("rcl.segments", "import rcl", 1),
        ("rcl.segments", "from rcl import Localizer", 1),
        ("rcl.losses", "from rcl.predictions import Predictions", 0),
        ("rcl.losses", "from rcl.sampling import grid", 1),
        ("rcl.losses", "from rcl.assembly import build_model", 1),
        ("rcl.models.rcl", "from rcl.models.bmn import BMNEncoder\nfrom rcl.alignment import SegmentAlignment", 0),
        ("rcl.models.rcl", "from .bmn import BMNEncoder\nfrom ..alignment import SegmentAlignment", 0),
        ("rcl.models.rcl", "from ..config import Config", 1),
        ("rcl.models.rcl", "from rcl.sampling import grid", 1),
        ("rcl.alignment", "from rcl.models.rcl import RCL", 1),
        ("rcl.checkpoints", "from rcl.config import Config", 0),
        ("rcl.config", "from rcl.checkpoints import Facts", 1),
        ("rcl.training", "from rcl.models.rcl import RCL\nfrom rcl.localizer import Localizer", 0),
        ("rcl.runs", "from rcl.cli import main", 1),
        ("rcl.segments", "import rcl.cli\nfrom rcl.config import Config\nfrom rcl import localizer", 3),
        ("rcl.training", "import torchvision", 1),
        ("rcl.training", "def f():\n    from torchvision.io import read_video", 1),
        ("rcl.training", "import torchaudio.functional", 1),
        ("rcl.training", "import torch\nfrom torch import nn", 0),
    ],
)
def test_the_rule_itself(module, source, count):
    assert len(violations(source, module)) == count
