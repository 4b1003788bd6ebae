"""What expert kernels written for an instruction set do in one cycle of one core (``catalog/isas``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, get_args

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import Plain
from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import Packing, WeightFormat, formats

_OPERANDS: Final = ("bf16", "int8")
PACKINGS: Final[tuple[str, ...]] = get_args(Packing)


def _operand(weights: WeightFormat, op_per_cycle: Mapping[str, float]) -> str:
    """The first operand type of the format that there is a rate for; 16-bit products are always possible."""
    return next((each for each in weights.multiplied_as if each in op_per_cycle), "bf16")


def _read_rates(fields: Fields) -> dict[str, float]:
    rates = fields.child("op_per_cycle")
    rates.only("bf16", optional=_OPERANDS)
    return {name: rates.positive(name, "number") for name in _OPERANDS if name in rates}


@dataclass(frozen=True)
class VectorIsa:
    """Vectors: a block of rows unpacks the weights once.

    The block's first row unpacks every weight, converts and multiplies it, at the rate of its format; the others
    multiply what lies in registers or the first cache.
    """

    one_row: Mapping[str, float]
    """Weights per cycle of one row, by the name of a format or by its packing; the name counts where both are there."""
    op_per_cycle: Mapping[str, float]
    """Of further rows of the block, by operand type."""
    block_rows: int

    def computes_as(self, weights: WeightFormat) -> str:
        """The operand type that these weights are multiplied as."""
        return _operand(weights, self.op_per_cycle)

    def cycles_per_weight(self, rows: NDArray[np.float64], weights: WeightFormat) -> NDArray[np.float64]:
        """Cycles of one core for each weight, in the shape of `rows`."""
        blocks = np.ceil(rows / self.block_rows)
        of_packing = self.one_row[weights.packing]
        first = 1.0 / self.one_row.get(weights.name, of_packing)
        further = 2.0 / self.op_per_cycle[self.computes_as(weights)]
        return blocks * first + (rows - blocks) * further

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises `InputError`."""
        fields.only("title", "one_row", "op_per_cycle", "block_rows")
        rates = fields.child("one_row")
        rates.only(*PACKINGS, optional=formats.names())
        return cls(
            {name: rates.positive(name, "number") for name, _ in rates.items()},
            _read_rates(fields),
            fields.whole("block_rows"),
        )


@dataclass(frozen=True)
class MatrixIsa:
    """Matrix tiles: whole tiles of rows, worth while above so many rows. Weights lie as the tiles want them."""

    op_per_cycle: Mapping[str, float]
    """By operand type."""
    tile_rows: int
    above_rows: int
    packings: tuple[str, ...]
    """What there are kernels for that repack the weights when they load them."""

    def computes_as(self, weights: WeightFormat) -> str:
        """The operand type that these weights are multiplied as."""
        return _operand(weights, self.op_per_cycle)

    def cycles_per_weight(self, rows: NDArray[np.float64], weights: WeightFormat) -> NDArray[np.float64]:
        """Cycles of one core for each weight, in the shape of `rows`."""
        tiled = np.ceil(rows / self.tile_rows) * self.tile_rows
        return np.asarray(2.0 * tiled / self.op_per_cycle[self.computes_as(weights)])

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises `InputError`."""
        fields.only("title", "op_per_cycle", "tile_rows", "above_rows", "packings")
        packings = fields.words("packings")
        for packing in packings:
            if packing not in PACKINGS:
                raise fields.error("packings", Plain(packing), PACKINGS)
        return cls(_read_rates(fields), fields.whole("tile_rows"), fields.whole("above_rows"), packings)
