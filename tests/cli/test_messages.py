"""What messages tell the user to do can be done: every command and option that they name exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from places import ROOT
from rcl.cli import app
from rcl.system.extras import how_to_install

PACKAGE = ROOT / "src" / "rcl"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OTHER_WORDS = {"stopped", "wrote"}  # that follow "rcl" in a sentence
OTHER_OPTIONS = {"--install-completion", "--help", "--head", "--dump", "--out"}  # of typer, ray start, and MMAction2


def texts() -> Iterator[tuple[str, str]]:
    """Every string of the package with its place; of an f-string the fixed parts, with ``{}`` between them."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.value


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_named_command_exists() -> None:
    named = {
        (place, word)
        for place, text in texts()
        for word in re.findall(r"\brcl ([a-z]+(?:-[a-z]+)*)\b", text)
        if word not in {*COMMANDS, *OTHER_WORDS}
    }
    assert named == set()


def test_every_named_option_exists() -> None:
    known = set().union(*map(options_of, COMMANDS.values())) | options_of(typer.main.get_command(app)) | OTHER_OPTIONS
    named = {
        (place, option)
        for place, text in texts()
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]\b", text)
        if option not in known
    }
    assert named == set()


def test_an_option_that_is_named_with_a_command_is_one_of_that_command() -> None:
    wrong = set()
    for place, text in texts():
        for command, option in re.findall(r"\brcl ([a-z]+(?:-[a-z]+)*) (?:with )?(--[a-z][a-z-]*[a-z])\b", text):
            if command in COMMANDS and option not in options_of(COMMANDS[command]):
                wrong.add((place, command, option))
    assert wrong == set()


def test_extras_are_installed_as_they_can_be() -> None:
    """The project is on no package index, so its name cannot be given to pip."""
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M))
    assert {"serve", "cluster", "onnx", "video"} <= extras
    assert "'.[serve]' in the folder of the repository" in how_to_install("serve")
    assert [place for place, text in texts() if re.search(r"pip install\W+rcl-tad", text)] == []


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_install_extras_from_the_repository(page: Path) -> None:
    assert not re.search(r"pip install\W+rcl-tad", page.read_text(encoding="utf-8"))
