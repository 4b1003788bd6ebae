"""Codes are packed without gaps and come back bit for bit."""

import numpy as np
import pytest

from moe_cosim.workloads.quantization.quantizers import packing
from moe_cosim.workloads.quantization.quantizers.packing import pack_codes, unpack_codes


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("count", [1, 7, 8, 24, 1001])
def test_codes_come_back(bits: int, count: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, count).astype(np.uint8)
    data = pack_codes(codes, bits)
    assert len(data) == -(-count * bits // 8)
    np.testing.assert_array_equal(unpack_codes(data, bits, count), codes)


@pytest.mark.parametrize("bits", [1, 3, 4])
def test_chunks_join_without_gaps(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    codes = np.random.default_rng(0).integers(0, 2**bits, 100).astype(np.uint8)
    whole = pack_codes(codes, bits)
    monkeypatch.setattr(packing, "_CHUNK", 16)
    assert pack_codes(codes, bits) == whole
    np.testing.assert_array_equal(unpack_codes(whole, bits, 100), codes)


def test_the_first_code_lies_lowest() -> None:
    assert pack_codes(np.array([1, 2, 3], np.uint8), 4) == bytes([0x21, 0x03])
