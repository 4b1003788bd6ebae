import random

import pytest

from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.store.record import DamagedError, PointRecord, decode
from moe_cosim.sim.sweep.store.store import Store


@pytest.fixture
def record(computed: tuple[Store, SweepPlan]) -> PointRecord:
    store, _ = computed
    found = store.record(next(iter(store.finished_ids())))
    assert found is not None
    return found


def test_comes_back_equal(record: PointRecord) -> None:
    assert decode(record.encode(), record.point_id) == record


def test_every_changed_byte_and_every_cut_shows(record: PointRecord) -> None:
    """But for the bits that mean nothing: gzip's header has some, and so has what it packs (padding, codes that are
    not used). Those are few, and whatever is read with them changed is the record."""
    data = record.encode()
    generator = random.Random(0)
    shown = 0
    for _ in range(300):
        place, change = generator.randrange(len(data)), generator.randrange(1, 256)
        spoilt = bytearray(data)
        spoilt[place] ^= change
        try:
            assert decode(bytes(spoilt), record.point_id) == record
        except DamagedError:
            shown += 1
    assert shown >= 295
    for length in (*range(64), len(data) // 2, len(data) - 1):
        with pytest.raises(DamagedError):
            decode(data[:length], record.point_id)


def test_another_points_record_is_damage(record: PointRecord) -> None:
    with pytest.raises(DamagedError, match="record of"):
        decode(record.encode(), "0" * 32)


def test_unrepeatable_fields_are_left_out_of_the_comparison(record: PointRecord) -> None:
    kept = record.repeatable()
    assert "host" not in kept
    assert "wall_s" not in kept["result"]
    assert kept["result"]["end_to_end_s"] > 0
