"""Tables of samples in Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.signals.signal import BLOCK_BYTES
from rcl.data.signals.tables import Chunk, Table
from rcl.system.errors import InputError, describe_error
from rcl.system.extras import how_to_install
from rcl.system.paths import check_is_file
from rcl.system.transfer import local

MAGIC = b"PAR1"
_SAMPLED_ROWS = 200
_READ_BYTES = 2**16  # of each column at a time: a file may be one row group, however long it is


class ParquetTable(Table):
    """See :class:`rcl.data.signals.tables.Table`."""

    def chunks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Chunk]:
        """See :class:`rcl.data.signals.tables.Table`."""
        first = 1
        rows = max(1, BLOCK_BYTES // (8 * max(1, len(numbers))))
        for batch in _batches(self.path, rows, [self.names[place] for place in {*numbers, *texts}]):
            values = [self._numbers(batch.column(self.names[place]), place, first) for place in numbers]
            words = [_texts(batch.column(self.names[place])) for place in texts]
            empty = np.empty((batch.num_rows, 0))
            yield Chunk(
                first,
                np.stack(values, axis=1) if values else empty,
                np.array(words, dtype=np.str_).T if words else empty.astype(np.str_),
            )
            first += batch.num_rows

    def _numbers(self, column: Any, place: int, first: int) -> np.ndarray:
        import pyarrow
        import pyarrow.compute

        try:
            numbers = pyarrow.compute.cast(column, pyarrow.float64(), safe=False)
        except pyarrow.ArrowInvalid as error:
            where, fix = (
                f"{self.where}, row {first} or later",
                "correct it, or leave the column out with --signal-columns",
            )
            expected = f"numbers in the column {self.names[place]!r}"
            raise InputError(where, expected=expected, found=describe_error(error), fix=fix) from None
        return numbers.to_numpy(zero_copy_only=False)


def open_parquet_table(path: Path) -> ParquetTable:
    """A table in a Parquet file, of which the beginning is read.

    Raises:
        InputError: pyarrow is not installed, or the file is damaged, empty or names a column twice.
    """
    check_is_file(path)
    batch = next(_batches(path, _SAMPLED_ROWS, None), None)
    if batch is None or not batch.num_rows:
        raise InputError(path, expected="rows of numbers", found="an empty table", fix="give another file")
    names = tuple(batch.schema.names)
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        found = f"{repeated[0]!r} twice"
        raise InputError(path, expected="every column once", found=found, fix="rename one")
    sample = [_texts(column) for column in batch.columns]
    return ParquetTable(path=path, names=names, units=("",) * len(names), sample=sample)


def _batches(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        fix = how_to_install("signals")
        raise InputError(path, expected="pyarrow, to read it", found="no such package", fix=fix) from None
    with local(path) as file:
        try:
            with pyarrow.parquet.ParquetFile(file, buffer_size=_READ_BYTES, pre_buffer=False) as table:
                yield from table.iter_batches(batch_size=rows, columns=columns, use_threads=False)
        except (pyarrow.ArrowException, OSError) as error:
            fix = "get the file again"
            raise InputError(path, expected="a complete Parquet file", found=describe_error(error), fix=fix) from None


def _texts(column: Any) -> list[str]:
    """The cells of a column as text, empty where there is none; times of any zone in UTC."""
    import pyarrow
    import pyarrow.compute

    if pyarrow.types.is_timestamp(column.type):
        column = pyarrow.compute.cast(column, pyarrow.timestamp("us"), safe=False)
    if pyarrow.types.is_nested(column.type) or pyarrow.types.is_binary(column.type):
        return ["…"] * len(column)
    return ["" if cell is None else cell for cell in pyarrow.compute.cast(column, pyarrow.string()).to_pylist()]
