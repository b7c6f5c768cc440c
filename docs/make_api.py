"""Write the parts of the documents that come from the code.

    python docs/make_api.py            # write them
    python docs/make_api.py --check    # exit with status 1 if one is out of date

docs/api.md describes the public Python interface from the docstrings of ``rcl.__all__``. The source is parsed, not
imported. Classes that public functions return are described after the public names.

docs/extending.md shows the files that its comments ``<!-- code: PATH -->`` name.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
API, EXTENDING = ROOT / "docs" / "api.md", ROOT / "docs" / "extending.md"
HEAD = """# Python interface

<!-- Written by `python docs/make_api.py` from the docstrings; do not edit. -->

`import rcl` provides the names below. Times are in seconds wherever a name ends in `_seconds`. Errors in what a user
provides (files, options, values) are raised as `rcl.InputError`.
"""
TITLES = {"parameters": "Arguments", "attributes": "Attributes", "returns": "Returns", "raises": "Raises"}
WIDTH = 100


def api() -> str:
    """The content of docs/api.md."""
    package = griffe.load("rcl", search_paths=[ROOT / "src"], docstring_parser="google")
    names = [str(name) for name in package.exports or [] if name in package.members]
    public = [package[name].final_target if package[name].is_alias else package[name] for name in names]
    returned = {item.path: item for one in public for item in _returned(one) if item not in public}
    parts = [_described(item, f"rcl.{name}") for name, item in zip(names, public, strict=True)]
    parts += [_described(item, item.path) for item in returned.values()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join([HEAD, *parts]))


def _methods(item: griffe.Object) -> list[griffe.Function]:
    if not item.is_class:
        return []
    return [one for one in item.functions.values() if not one.name.startswith("_") and one.has_docstring]


def _returned(item: griffe.Object) -> Iterator[griffe.Object]:
    """The classes of the package that an item, or one of its methods, returns."""
    for function in [item, *_methods(item)]:
        for name in (function.returns or []) if function.is_function else []:
            path = getattr(name, "canonical_path", "")
            if path.startswith("rcl.") and item.modules_collection[path].is_class:
                yield item.modules_collection[path]


def _described(item: griffe.Object, title: str) -> str:
    """An item with its public methods, in Markdown."""
    text = f"## `{title}`\n\n{_signature(item)}{_sections(item)}"
    methods = [f"### `{item.name}.{one.name}`\n\n{_signature(one)}{_sections(one)}" for one in _methods(item)]
    return "\n".join([text, *methods])


def _signature(item: griffe.Object) -> str:
    if item.is_attribute:
        return ""
    fields = [f"{one.name}: {one.annotation}" for one in item.attributes.values() if one.annotation]
    text = item.signature()
    if item.is_class and not list(item.parameters):  # a named tuple, whose arguments are its attributes
        text = f"{item.name}({', '.join(fields)})"
    text = textwrap.fill(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    return f"```python\n{text}\n```\n\n"


def _sections(item: griffe.Object) -> str:
    parsed = item.docstring.parsed if item.docstring else []
    return "".join(_section(one) for one in parsed)


def _section(section: griffe.DocstringSection) -> str:
    kind = section.kind.value
    if kind == "examples":
        return "".join(f"{_markdown(text)}\n\n" for _, text in section.value)
    if kind not in TITLES:
        return f"{_markdown(str(section.value))}\n\n"
    items = (_item(one, named=kind != "returns") for one in section.value)
    return f"**{TITLES[kind]}**\n\n" + "\n".join(items) + "\n\n"


def _item(one: griffe.DocstringElement, *, named: bool) -> str:
    name = getattr(one, "name", "") or one.annotation
    return f"- `{name}`: {_inline(one.description)}" if named else f"- {_inline(one.description)}"


def _inline(text: str) -> str:
    return " ".join(_markdown(text).split())


def _markdown(text: str) -> str:
    """Docstring markup as Markdown: roles and double backticks become code, doctests become code blocks."""
    blocks = re.split(r"(^>>> .*(?:\n.+)*)", text, flags=re.MULTILINE)
    for index, block in enumerate(blocks):
        if block.startswith(">>>"):
            blocks[index] = f"```python\n{block}\n```"
        else:
            blocks[index] = re.sub(r"(?::\w+:)?(`{1,2})~?([^`]+)\1", r"`\2`", block)
    return "".join(blocks)


def extending() -> str:
    """The content of docs/extending.md, with the files that it shows."""

    def with_code(block: re.Match[str]) -> str:
        file = ROOT / block[2]
        code = file.read_text(encoding="utf-8") if file.exists() else ""  # tests/test_documents.py names a missing file
        return f"{block[1]}\n```python\n{code}```\n<!-- end -->"

    pattern = r"(<!-- code: (\S+) -->)\n.*?<!-- end -->"
    return re.sub(pattern, with_code, EXTENDING.read_text(encoding="utf-8"), flags=re.DOTALL)


def main() -> None:
    """Write the pages, or check them."""
    for path, text in ((API, api()), (EXTENDING, extending())):
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run python docs/make_api.py")


if __name__ == "__main__":
    main()
