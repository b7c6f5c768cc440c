"""Text files as users bring them: packed, in other encodings, with line ends of any system."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.system.errors import InputError
from rcl.system.text_files import read_text


def zipped(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", text)
    return content.getvalue()


@pytest.mark.parametrize("name", ["a.boris", "a.csv", "a.eaf"])
@pytest.mark.parametrize(
    ("content", "found"), [(gzip.compress(b"text", mtime=0), "a gzip archive"), (zipped("text"), "a zip archive")]
)
def test_packed_files_are_to_be_unpacked(name: str, content: bytes, found: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"found {found}.*; unpack it") as caught:
        read_text(tmp_path / name)
    assert "Excel" not in str(caught.value)


@pytest.mark.parametrize(("name", "of_excel"), [("a.csv", True), ("a.TXT", True), ("a.boris", False), ("a.eaf", False)])
def test_only_tables_are_saved_again_in_excel(name: str, of_excel: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes("größe".encode("cp1252"))
    with pytest.raises(InputError, match="save the file as UTF-8") as caught:
        read_text(tmp_path / name)
    assert ("Excel" in str(caught.value)) == of_excel


@given(st.lists(st.text("ab,\t"), min_size=1))
def test_lines_end_as_on_any_system(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(end.join(lines).encode())
        assert read_text(path).splitlines() == "\n".join(lines).splitlines()
