"""Imports point one way, from floor to floor (docs/design.md), also those inside functions; files are short."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from places import ROOT

PACKAGE = ROOT / "src" / "rcl"

FLOORS = (  # from the ground up: a room knows the floors below its own, and itself
    {"system"},
    {"data"},
    {"models", "video", "evaluation"},
    {"detector"},
    {"training", "web"},
    {"cli"},
)
NOT_INSTALLED_HERE = {"torchvision", "torchaudio"}  # they have no CPU build

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


def imports_of(module):
    path = MODULES[module]
    return set(imports(path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py"))


def room_of(module):
    return [*module.split("."), ""][1]


def floor_of(room):
    """The number of a room's floor; ``rcl/__init__.py``, the public names, stands above all but the command line."""
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), len(FLOORS) - 1)


def is_allowed(own, other):
    return own == other or floor_of(own) > floor_of(other)


def violations(names, module):
    return sorted(
        f"{module} imports {name}"
        for name in names
        if name.split(".")[0] in NOT_INSTALLED_HERE
        or (name.split(".")[0] == "rcl" and not is_allowed(room_of(module), room_of(name)))
    )


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in MODULES} - {""}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    assert violations(imports_of(module), module) == []


def test_no_circle_between_files():
    graph = {module: imports_of(module) & MODULES.keys() - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("rcl.data.segments", "from rcl.system.errors import InputError", 0),
        ("rcl.data.segments", "from rcl.models.losses import tiou", 1),
        ("rcl.data.segments", "from rcl.models import losses", 1),
        ("rcl.data.segments", "import rcl.models.losses as l", 1),
        ("rcl.data.segments", "from ..models import losses", 1),
        ("rcl.data.segments", "from . import detections", 0),
        ("rcl.data.segments", "def f():\n    from rcl.detector.config import Config", 1),
        ("rcl.data.segments", "if TYPE_CHECKING:\n    from rcl.detector.config import Config", 1),
        ("rcl.data.segments", "import rcl", 1),
        ("rcl.data.segments", "from rcl import Localizer", 1),
        ("rcl.models.losses", "from rcl.evaluation.matching import match", 1),
        ("rcl.models.losses", "from .predictions import Predictions", 0),
        ("rcl.web.report.page", "from rcl.training.fit import Fit", 1),
        ("rcl.detector.build", "import torchvision", 1),
        ("rcl.detector.build", "import torch", 0),
        ("rcl.detector.build", "from rcl.cli import main", 1),
        ("rcl.cli.fit", "from rcl.training.fit import Fit\nfrom rcl import Localizer", 1),
    ],
)
def test_the_check_itself(module, source, found):
    assert len(violations(set(imports(source, module)), module)) == found


# -- sizes -------------------------------------------------------------------------------------------------------

LONGEST_FILE, LONGEST_FUNCTION, MOST_ENTRIES = 300, 40, 10  # lines, lines without the docstring, files and folders
SCRIPTS = [path for path in sorted(PACKAGE.rglob("*.js")) if not path.name.endswith(".min.js")]


def lengths_of_functions(source):
    """Every function with its first line and its number of lines, without decorators and docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = first.end_lineno - first.lineno + 1 if documented else 0
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1 - docstring


def test_the_root_has_few_entries():
    entries = sorted(path.name for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "py.typed"))
    assert len(entries) <= MOST_ENTRIES, entries


@pytest.mark.parametrize("path", [*MODULES.values(), *SCRIPTS], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_long(module):
    functions = lengths_of_functions(MODULES[module].read_text(encoding="utf-8"))
    assert [each for each in functions if each[2] > LONGEST_FUNCTION] == []


def test_a_docstring_does_not_count():
    assert [*lengths_of_functions('@cache\ndef f():\n    """One.\n\n    Two.\n    """\n    return 1\n')] == [
        ("f", 2, 2)
    ]
    assert [*lengths_of_functions("class A:\n    def f():\n        return 1\n")] == [("f", 2, 2)]
