"""The latest rows of a matrix that grows for ever, in memory and in a file that a kill or a full disk may tear."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.detector.live.features.rows import RowBuffer, RowFile
from rcl.system.errors import InputError

C = 3
keeps = st.one_of(st.integers(1, 40), st.just(math.inf))
appended = st.lists(st.integers(0, 300), max_size=12)


def rows(first: int, last: int) -> np.ndarray:
    """Every number once."""
    return np.arange(first * C, last * C, dtype=np.float32).reshape(-1, C)


def check(buffer: RowBuffer) -> None:
    """That it holds the rows that it says it does."""
    np.testing.assert_array_equal(buffer.rows(buffer.first).ravel(), rows(buffer.first, buffer.count).ravel())


def add(buffer: RowBuffer, number: int) -> None:
    buffer.append(rows(buffer.count, buffer.count + number))


@given(keep=keeps, numbers=appended)
def test_the_latest_rows_stay_in_bounded_memory(keep: float, numbers: list[int]) -> None:
    buffer = RowBuffer(keep)
    for number in numbers:
        add(buffer, number)
        assert buffer.count - buffer.first >= min(keep, buffer.count)
        check(buffer)
    assert buffer.count == sum(numbers)
    if math.isfinite(keep):
        assert buffer.nbytes <= 4 * C * (2 * (keep + 300) + 256)
    with pytest.raises(ValueError, match="first must be"):
        buffer.rows(buffer.first - 1)


def test_appending_takes_constant_time_on_average() -> None:
    buffer, blocks = RowBuffer(), set[int]()
    for _ in range(20_000):
        add(buffer, 1)
        blocks.add(buffer.nbytes)
    assert len(blocks) < 10  # it is copied so often


@settings(max_examples=20)
@given(keep=keeps, numbers=appended, cut=st.floats(0, 1), more=appended)
def test_a_file_that_is_torn_at_any_byte_keeps_its_whole_rows(
    keep: float, numbers: list[int], cut: float, more: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.f32"
        buffer, file = RowBuffer(keep), RowFile(path)
        for number in numbers:
            add(buffer, number)
            file.save(buffer)
        size = path.stat().st_size if path.exists() else 0
        if math.isfinite(keep):
            assert size <= 16 + 4 * C * (2 * keep + 256)
        if size:
            with path.open("r+b") as opened:
                opened.truncate(round(cut * size))
        file = RowFile(path)
        found = file.load(keep)
        whole = max(round(cut * size) - 16, 0) // (4 * C) if size else 0
        assert found.count - found.first == whole
        check(found)
        for number in more:
            add(found, number)
            file.save(found)
        again = RowFile(path).load(keep)
        assert again.count == (found.count if found.channels else again.first)
        check(again)


@given(before=st.integers(1, 50), lost=st.integers(1, 50), torn=st.integers(0, 500), keep=st.integers(1, 60))
def test_after_a_full_disk_the_file_is_whole_again(before: int, lost: int, torn: int, keep: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "rows.f32"
        buffer, file = RowBuffer(keep), RowFile(path)
        add(buffer, before)
        file.save(buffer)

        def full(*_: object) -> None:
            with path.open("ab") as opened:
                opened.write(b"x" * torn)
            raise OSError(errno.ENOSPC, "No space left on device")

        with patch.context() as there:
            there.setattr(RowFile, "_append", full)
            add(buffer, lost)
            with pytest.raises(OSError, match="No space"):
                file.save(buffer)
        add(buffer, 1)
        file.save(buffer)
        found = RowFile(path).load(keep)
        assert found.count == before + lost + 1
        check(found)


def test_rows_that_are_cut_are_gone_from_the_file(tmp_path: Path) -> None:
    buffer, file = RowBuffer(), RowFile(tmp_path / "rows.f32")
    add(buffer, 20)
    file.save(buffer)
    buffer.cut(15)
    file.save(buffer)
    assert RowFile(tmp_path / "rows.f32").load(math.inf).count == 15


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.f32").write_bytes(b"something else that is long enough")
    with pytest.raises(InputError, match="another file"):
        RowFile(tmp_path / "rows.f32").load(1)
