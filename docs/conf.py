"""The documents as a site: ``make site``. Its sources are the pages of the repository as they are, from its root.

The pages link to each other by their paths, so the links lead somewhere on a forge as well. What the site adds is the
navigation below, and an ``index.html``. It loads nothing from elsewhere, so it also works from a disk.
"""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

NAVIGATION = {
    "First steps": ["Overview <self>", "docs/serve", "docs/videos", "docs/signals"],
    "Labels and data": ["docs/formats", "docs/exchange", "docs/datasets"],
    "Results": ["docs/diagnosis", "docs/outcomes", "docs/comparing", "docs/crossval", "docs/learning_curve"],
    "In use": ["docs/live", "docs/export", "docs/deploy", "docs/scale"],
    "Reference": ["docs/api", "docs/extending", "docs/design"],
    "Measured": ["docs/results", "docs/ablations", "benchmarks/README", "docs/notebook/*"],
    "Project": ["CONTRIBUTING", "CHANGELOG", "docs/licences"],
}
"""The pages by group, for somebody new first. A page that is in no group goes to the last one."""

project = "RCL"
release = installed_version("rcl-tad").partition("+")[0]
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/**.md"]
exclude_patterns = ["build", "dist", ".venv"]
myst_heading_anchors = 4  # named as on a forge
suppress_warnings = ["misc.highlighting_failure", "myst.header"]  # examples of files are no programs
html_theme = "furo"
html_title = f"RCL {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["site"]
html_css_files = ["site.css"]


def navigation() -> str:
    """The table of contents of the first page, which it does not have on a forge."""
    pages = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "docs").glob("*.md")}
    named = {page for group in NAVIGATION.values() for page in group}
    groups = {**NAVIGATION, "Project": [*NAVIGATION["Project"], *sorted(pages - named)]}
    lines = []
    for title, group in groups.items():
        lines += ["", "```{toctree}", ":hidden:", ":glob:", f":caption: {title}", "", *group, "```"]
    return "\n".join(lines)


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the navigation to the first page."""
    if page == root_doc:
        source[0] += navigation()


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Lead from the folder of the site to its first page."""
    if error is None:
        leads = f'<meta http-equiv="refresh" content="0; url={root_doc}.html">'
        page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>RCL</title>{leads}</html>\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the two."""
    app.connect("source-read", add_navigation)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True}
