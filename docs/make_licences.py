"""Write ``docs/licences.md``: the licence of every package that RCL needs to run, as the installed packages state it.

    python docs/make_licences.py

All extras for users have to be installed: ``make licences`` does that, in an environment of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).with_name("licences.md")
NAME = "rcl-tad"
DEVELOPMENT = ("dev", "site")  # extras that no user installs
OF_HARDWARE = ("nvidia-", "cuda-", "triton")  # what torch brings for the machine at hand; the page says so in words
LONGEST = 60  # characters; more is the text of a licence in the field for its name


def needed(extra: str = "") -> set[str]:
    """The names of the packages that an extra brings, of itself and through others; without one, those of RCL."""
    found: set[str] = set()
    left = [(NAME, frozenset({extra} - {""}))]
    while left:
        name, extras = left.pop()
        for requirement in _requirements(name, extras):
            required = canonicalize_name(requirement.name)
            if required not in found and not required.startswith(OF_HARDWARE):
                found.add(required)
                left.append((required, frozenset(requirement.extras)))
    return found - {NAME}


def _requirements(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, distribution(name).requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def licence_of(package: Distribution) -> str:
    """The licence that a package states: as an SPDX expression, in its classifiers, or in words."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License :: OSI")]
    stated = (metadata.get("License") or "").strip()
    if classifiers:
        return ", ".join(text.rpartition(" :: ")[2] for text in classifiers)
    first = stated.partition("\n")[0].strip()
    if first in ("", "UNKNOWN") or len(first) > LONGEST:
        text = package.read_text("LICENSE") or package.read_text("licenses/LICENSE") or "not stated"
        first = text.strip().partition("\n")[0].strip()
    return first


def extras() -> list[str]:
    """The extras that users install."""
    return sorted({*distribution(NAME).metadata.get_all("Provides-Extra", [])} - {*DEVELOPMENT})


def table(names: Mapping[str, list[str]]) -> str:
    """A row per package: its name, version, licence and the extras that bring it."""
    lines = ["| package | version | licence | brought by |", "|---|---|---|---|"]
    for name in sorted(names):
        package = distribution(name)
        cells = (package.metadata["Name"], package.version, licence_of(package), ", ".join(names[name]) or "RCL itself")
        lines.append("| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Replace the table of the page."""
    own = needed()
    brought: dict[str, list[str]] = {name: [] for name in own}
    for extra in extras():
        for name in needed(extra) - own:
            brought.setdefault(name, []).append(extra)
    begin, end = "<!-- begin of the table -->", "<!-- end of the table -->"
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(begin)[0], text.partition(end)[2]
    PAGE.write_text(f"{before}{begin}\n{table(brought)}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
