"""Columns of a Parquet file, a block of rows at a time (pyarrow, of the extra ``traces``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.extras import load
from moe_cosim.plain_file import most_unpacked

_ROWS: Final = 2**16
_BYTES_OF_A_VALUE: Final = 8


class ParquetColumns:
    """`file`: where its bytes lie; errors call it `where`. Raises `InputError`, also where pyarrow is not installed."""

    def __init__(self, file: Path, where: Path) -> None:
        self._file, self._where = file, where
        with self._opened() as parquet:
            schema, metadata = parquet.schema_arrow, parquet.metadata
            self.names: list[str] = schema.names
            self.metadata: dict[bytes, bytes] = schema.metadata or {}
            self.rows: int = metadata.num_rows
            groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
            self._check_size([sum(g.column(c).num_values for c in range(g.num_columns)) for g in groups])

    def blocks(self, names: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """Of every block the columns `names`: [rows], or [rows, n] where it holds lists, which all have n values."""
        with self._opened() as parquet:
            for batch in parquet.iter_batches(batch_size=_ROWS, columns=list(names)):
                yield {name: self._array(batch.column(name), name) for name in names}

    def _array(self, column: Any, name: str) -> NDArray[Any]:
        import pyarrow as pa

        if column.null_count:
            raise InputError(self._where, f"column {name}", Plain("rows without a value"), "a value in every row")
        if not isinstance(column, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
            return self._numbers(column, name)
        values = self._numbers(column.flatten(), name)
        rows = len(column)
        width = len(values) // rows if rows else 0
        lengths = np.unique(np.asarray(column.value_lengths())) if rows else np.array([0])
        if len(lengths) != 1 or int(lengths[0]) != width:
            raise InputError(
                self._where, f"column {name}", Plain("lists of several lengths"), "as many values in every row"
            )
        return values.reshape(rows, width)

    def _numbers(self, column: Any, name: str) -> NDArray[Any]:
        found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        if found.dtype.kind not in "iuf" or column.null_count:
            raise InputError(self._where, f"column {name}", Plain(str(column.type)), "numbers, or lists of numbers")
        return found

    def _check_size(self, values: list[int]) -> None:
        most = most_unpacked(self._file)
        if sum(values) * _BYTES_OF_A_VALUE > most:
            found = Plain(f"{sum(values)} values, far more than the file's size")
            raise InputError(self._where, "file", found, f"at most {most // _BYTES_OF_A_VALUE}")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        parquet, arrow = (
            load("pyarrow.parquet", str(self._where), "traces"),
            load("pyarrow", str(self._where), "traces"),
        )
        try:
            with parquet.ParquetFile(self._file) as opened:
                yield opened
        except (arrow.ArrowException, OSError, MemoryError) as error:
            found = what_failed(error)
            raise InputError(self._where, "file", found, "a whole Parquet file") from None
