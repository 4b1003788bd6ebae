"""The kinds of unit model that a device description may name."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.units.base import UnitModel
from moe_cosim.registry import Registry


class DescribedModel(UnitModel):
    """A unit model that can be read from the `model` field of a unit."""

    summary: ClassVar[str]
    """One line for listings."""

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields) -> Self:
        """Reads every field but `kind`; raises `InputError`."""


unit_models: Registry[type[DescribedModel]] = Registry(
    "unit model",
    "unit_models",
    (
        "moe_cosim.hw_models.units.gpu.tile",
        "moe_cosim.hw_models.units.gpu.measured",
        "moe_cosim.hw_models.units.ndp",
        "moe_cosim.hw_models.units.bank_gemv",
        "moe_cosim.hw_models.units.cpu",
    ),
)
