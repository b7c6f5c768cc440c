"""Links and paths in the documents lead to files and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from places import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("benchmarks/*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
ROOMS = sorted(path.name for path in (ROOT / "src" / "rcl").iterdir() if path.is_dir())


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(link: str, page: Path) -> bool:
    file, _, anchor = re.sub(r"\s+", " ", link).partition("#")
    target = (page.parent / file) if file else page
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    code = re.findall(r"<!-- code: (\S+) -->", text)
    code += re.findall(r"`((?:src/rcl|tests|benchmarks|docs)/[\w./]+)`", text)
    code += [f"src/rcl/{path}" for path in re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./]+\.(?:py|js))`", text)]
    assert [link for link in links if not leads_somewhere(link, page)] == []
    assert [path for path in code if not (ROOT / path).exists()] == []


def test_the_last_release_is_that_of_the_changelog() -> None:
    """Where people look for a number: what they cite, and what they put into a container."""
    releases = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if not releases:
        pytest.skip("the changelog has no release yet")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    settings = (ROOT / "deploy" / "example.env").read_text(encoding="utf-8")
    assert citation["version"] == releases[0]
    assert f"RCL_VERSION={releases[0]}\n" in settings


def test_the_licence_of_every_dependency_is_listed() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("\nsite = ")[0]
    needed = re.findall(r'"([\w-]+)(?:\[\w+\])?[=>]=', project.partition("\ndependencies = ")[2])
    listed = re.findall(r"^\| ([\w.-]+) \|", (ROOT / "docs" / "licences.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(needed) > 20
    assert {plain_name(name) for name in needed} - {plain_name(name) for name in listed} == set()


def plain_name(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_an_anchor_is_that_of_github() -> None:
    assert "refinement-paper-34-and-why-it-is-built-this-way" in anchors(ROOT / "docs" / "design.md")
