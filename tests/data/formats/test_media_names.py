"""Names of videos from the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.formats.media_names import named_files, names_of_files
from rcl.system.errors import Defect, InputError

parts = st.sampled_from(["a", "b", "cam 1", "c.d", "é"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


@given(st.lists(paths, unique=True, max_size=8))
def test_names_differ_and_end_as_their_files(files: list[str]) -> None:
    names = names_of_files(f"{file}.mp4" for file in files)
    assert len(set(names.values())) == len(files)
    for file, name in names.items():
        assert f"/{file}".endswith((f"/{name}.mp4", f"/{name}"))


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["/a/x.mp4", "/b/y.mp4"], ["x", "y"]),
        (["/p/a/x.mp4", "/q/a/x.mp4", "x.mp4"], ["p/a/x", "q/a/x", "x"]),
        (["file:///v/1/x.mp4", "file:///v/2/x.mp4"], ["1/x", "2/x"]),
        (["x.mp4", "x.avi"], ["x.mp4", "x.avi"]),
    ],
)
def test_examples(files: list[str], names: list[str]) -> None:
    assert [*names_of_files(files).values()] == names


def test_files_that_cannot_be_told_apart() -> None:
    with pytest.raises(Defect, match="files with different names"):
        names_of_files(["a/x.mp4", "./a/x.mp4"])


def test_files_and_folders(tmp_path: Path) -> None:
    for name in ("in/cam 1/001.txt", "in/cam 2/001.txt", "in/notes.pdf", "x/a.txt", "y/a.txt", "y/a.srt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = named_files([tmp_path / "in", tmp_path / "x" / "a.txt", tmp_path / "y" / "a.txt"], (".txt", ".srt"))
    assert [name for _, name in found] == ["cam 1/001", "cam 2/001", "x/a", "y/a"]
    same = named_files([tmp_path / "y" / "a.txt", tmp_path / "y" / "a.srt"], (".txt", ".srt"))
    assert [name for _, name in same] == ["a", "a"]  # they are about one video
    with pytest.raises(InputError, match=r"files that end in \.doc"):
        named_files([tmp_path / "y"], (".doc",))


def test_what_systems_put_into_folders_is_skipped(tmp_path: Path) -> None:
    for name in ("l.csv", "._l.csv", "~$l.xlsx", ".ipynb_checkpoints/l-checkpoint.csv", "__MACOSX/._l.csv", "a/~b.csv"):
        (tmp_path / ".in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / ".in" / name).touch()
    assert [name for _, name in named_files([tmp_path / ".in"], (".csv", ".xlsx"))] == ["a/~b", "l"]
