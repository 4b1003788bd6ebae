"""What every unit model must do. Its tests subclass `UnitModelContract`, name it and describe a unit:

class TestMine(UnitModelContract):
    unit_model = "my-unit"
    fields = {"rate": {"value": "1 TFLOP/s", "source": "a test"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.description import Fields, Reading
from moe_cosim.hw_models.formats import BF16, WeightFormat, formats
from moe_cosim.hw_models.merge import Places
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models
from moe_cosim.testing.examples import many

SIZES = st.integers(1, 20_000)
SHAPES = st.builds(ExpertShape, SIZES, SIZES, st.sampled_from([2, 3]))
FORMATS = st.sampled_from([weight_format for _, weight_format in formats])
LARGEST = 2**31 - 1


class UnitModelContract:
    """Subclasses set `unit_model`, a registered name, and a description's `fields`."""

    unit_model: ClassVar[str]
    fields: ClassVar[Mapping[str, Any]]
    """A description's ``model`` without its ``kind``."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Those of `fields` that may be left out."""
    switches: ClassVar[tuple[int, ...]] = ()
    """Numbers of rows from which another kernel runs, where the time may fall; else more rows take no less."""

    def made(self, **changes: Any) -> DescribedModel:
        """The unit, with fields changed; ``...`` leaves one out."""
        node = {"kind": self.unit_model, **self.fields, **changes}
        shared, shared_path = catalog.shared_assumptions()
        reading = Reading(Assumptions(), shared, str(shared_path))
        found = {name: value for name, value in node.items() if value is not ...}
        return unit_models.get(self.unit_model).read(Fields(found, reading, Places("contract.yaml")))

    @many
    @given(shape=SHAPES, tokens=st.lists(st.integers(0, 1 << 20), min_size=2, max_size=8), weights=FORMATS)
    def test_more_tokens_take_no_less(self, shape: ExpertShape, tokens: list[int], weights: WeightFormat) -> None:
        times = self.made().expert_ps(sorted(tokens), shape, weights)
        self._check_rises(sorted(tokens), times)

    @many
    @given(rows=st.lists(st.integers(0, 1 << 20), min_size=2, max_size=8), inner=SIZES, columns=SIZES)
    def test_more_rows_take_no_less(self, rows: list[int], inner: int, columns: int) -> None:
        self._check_rises(sorted(rows), self.made().dense_ps(sorted(rows), inner, columns))

    def _check_rises(self, rows: list[int], times: NDArray[np.int64]) -> None:
        for (fewer, short), (more, long) in pairwise(zip(rows, times.tolist(), strict=True)):
            if not any(fewer < switch <= more for switch in self.switches):
                assert short <= long, f"{fewer} rows take {short} ps, {more} take {long}"

    @many
    @given(shape=SHAPES, weights=FORMATS, inner=SIZES, columns=SIZES)
    def test_nothing_to_do_takes_no_time(
        self, shape: ExpertShape, weights: WeightFormat, inner: int, columns: int
    ) -> None:
        unit = self.made()
        assert int(unit.expert_ps(0, shape, weights)) == 0
        assert int(unit.dense_ps(0, inner, columns)) == 0

    @many
    @given(shape=SHAPES, tokens=st.lists(st.integers(0, 4096), max_size=4), widths=st.lists(SIZES, max_size=3))
    def test_arguments_broadcast_and_times_are_whole(
        self, shape: ExpertShape, tokens: list[int], widths: list[int]
    ) -> None:
        """int64 of the broadcast shape, each what it is alone; the arguments stay as they are."""
        unit = self.made()
        column, row = np.array(tokens, dtype=np.int64)[:, None], np.array(widths, dtype=np.int64)
        alone = unit.expert_ps(column, shape, BF16)
        assert alone.dtype == np.int64
        assert alone.shape == column.shape
        assert alone[:, 0].tolist() == [int(unit.expert_ps(m, shape, BF16)) for m in tokens]
        times = unit.dense_ps(column, shape.hidden, row)
        assert times.dtype == np.int64
        assert times.shape == (len(tokens), len(widths))
        assert times.tolist() == [[int(unit.dense_ps(m, shape.hidden, n)) for n in widths] for m in tokens]
        assert (column[:, 0].tolist(), row.tolist()) == (tokens, widths)

    @many
    @given(
        shape=SHAPES,
        experts=st.lists(st.tuples(st.integers(0, 4096), st.booleans(), st.integers(0, 1)), min_size=1, max_size=8),
        pair=st.tuples(FORMATS, FORMATS),
    )
    def test_experts_of_other_kernels_change_nothing(
        self, shape: ExpertShape, experts: list[tuple[int, bool, int]], pair: tuple[WeightFormat, WeightFormat]
    ) -> None:
        """Each expert has a share of its own kernel's time; one that runs alone takes what it takes alone."""
        unit = self.made()
        tokens, begins, index = (np.array(column, dtype=np.int64) for column in zip(*experts, strict=True))
        kernel = np.cumsum(begins)
        shares = unit.experts_ps(tokens, kernel, shape, pair, index)
        assert shares.dtype == np.int64
        assert shares.shape == tokens.shape
        assert (shares >= 0).all()
        for number in np.unique(kernel):
            mine = kernel == number
            alone = unit.experts_ps(tokens[mine], kernel[mine], shape, pair, index[mine])
            assert shares[mine].tolist() == alone.tolist()
            if mine.sum() == 1:
                expected = int(unit.expert_ps(tokens[mine][0], shape, pair[index[mine][0]]))
                assert abs(int(alone[0]) - expected) <= 1

    @pytest.mark.parametrize("tokens", [1, 2**20, LARGEST])
    @pytest.mark.parametrize("size", [1, 2**16, LARGEST])
    def test_times_do_not_wrap_around(self, tokens: int, size: int) -> None:
        """Past what int64 holds they are cut off, so that an engine can refuse them."""
        unit = self.made()
        shape = ExpertShape(size, size)
        small = int(unit.expert_ps(1, ExpertShape(1, 1), BF16)), int(unit.dense_ps(1, 1, 1))
        for times in (unit.expert_ps([tokens], shape, BF16), unit.dense_ps([tokens], size, size)):
            assert times.dtype == np.int64
            assert 0 <= int(times[0]) <= LONGEST_PS
        if not self.switches:
            assert int(unit.expert_ps(tokens, shape, BF16)) >= small[0]
            assert int(unit.dense_ps(tokens, size, size)) >= small[1]

    def test_launches_are_whole_picoseconds(self) -> None:
        unit = self.made()
        for launch_ps in (unit.launch_ps, unit.expert_launch_ps):
            assert isinstance(launch_ps, int)
            assert launch_ps >= 0

    def test_fields_it_does_not_have_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"^contract\.yaml: no-such-field: "):
            self.made(**{"no-such-field": 1})

    def test_fields_left_out_are_named(self) -> None:
        for name in set(self.fields) - set(self.optional):
            with pytest.raises(InputError) as refused:
                self.made(**{name: ...})
            assert refused.value.where == "contract.yaml"
            assert refused.value.field == name

    def test_it_is_described(self) -> None:
        summary = unit_models.get(self.unit_model).summary
        assert 10 <= len(summary) <= 120
        assert "\n" not in summary
