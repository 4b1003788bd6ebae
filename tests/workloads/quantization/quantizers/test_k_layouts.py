"""Blocks of k-quants bit by bit: against bytes made by hand and a decoder of one weight at a time. Needs no torch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import find_format
from moe_cosim.workloads.quantization.quantizers.k_layouts import K_TYPES, KBlocks, Plane

HALF_ONE = bytes([0x00, 0x3C])
HALF_TWO = bytes([0x00, 0x40])


def half(block: bytes, at: int) -> np.float32:
    return np.float32(np.frombuffer(block, np.float16, 1, at)[0])


def six_bits(scales: bytes, group: int) -> tuple[int, int]:
    """Scale and min of q4_k's and q5_k's twelve bytes: four of each whole, four of each in two parts."""
    if group < 4:
        return scales[group] & 63, scales[group + 4] & 63
    low = scales[group + 4]
    return low & 15 | scales[group - 4] >> 6 << 4, low >> 4 | scales[group] >> 6 << 4


def slowly(name: str, block: bytes, weight: int) -> np.float32:
    """One weight of a block, each of its bits looked up where ggml has it."""
    half_block, quarter, in_32 = weight // 128, weight % 128 // 32, weight % 32
    if name == "q2_k":
        scale = block[weight // 16]
        code = block[16 + 32 * half_block + in_32] >> 2 * quarter & 3
        return half(block, 80) * np.float32(scale & 15) * np.float32(code) - half(block, 82) * np.float32(scale >> 4)
    if name == "q3_k":
        group = weight // 16
        low = block[96 + group % 8] >> 4 * (group // 8) & 15
        scale = (low | (block[104 + group % 4] >> 2 * (group // 4) & 3) << 4) - 32
        code = block[32 + 32 * half_block + in_32] >> 2 * quarter & 3
        code -= 0 if block[in_32] >> weight // 32 & 1 else 4
        return half(block, 108) * np.float32(scale) * np.float32(code)
    if name == "q6_k":
        code = block[64 * half_block + weight % 64] >> 4 * (weight % 128 // 64) & 15
        code |= (block[128 + 32 * half_block + in_32] >> 2 * quarter & 3) << 4
        scale = int(np.frombuffer(block, np.int8, 16, 192)[weight // 16])
        return half(block, 208) * np.float32(scale) * np.float32(code - 32)
    scale, least = six_bits(block[4:16], weight // 32)
    codes = 16 if name == "q4_k" else 48
    code = block[codes + 32 * (weight // 64) + in_32] >> 4 * (weight % 64 // 32) & 15
    if name == "q5_k":
        code |= (block[16 + in_32] >> weight // 32 & 1) << 4
    return half(block, 0) * np.float32(scale) * np.float32(code) - half(block, 2) * np.float32(least)


def any_blocks(name: str, count: int) -> NDArray[np.uint8]:
    """Any bits at all, but finite scales."""
    kind = K_TYPES[name]
    random = np.random.default_rng(len(name))
    data = random.integers(0, 256, (count, kind.fields.itemsize)).astype(np.uint8)
    blocks = data.view(kind.fields).reshape(-1)
    for field in {"d", "dmin"} & set(kind.fields.names or ()):
        blocks[field] = random.uniform(-2, 2, count).astype(np.float16)
    return data


@pytest.mark.parametrize("name", K_TYPES)
def test_every_weight_is_decoded_from_its_own_bits(name: str) -> None:
    data = any_blocks(name, 3)
    kind = K_TYPES[name]
    values = kind.values(kind.unpack(data))
    slow = np.array([[slowly(name, block.tobytes(), weight) for weight in range(256)] for block in data])
    assert values.dtype == slow.dtype == np.float32
    np.testing.assert_array_equal(values.view(np.uint32), slow.view(np.uint32))


@pytest.mark.parametrize("name", K_TYPES)
def test_any_bytes_come_back(name: str) -> None:
    data = any_blocks(name, 50)
    kind = K_TYPES[name]
    np.testing.assert_array_equal(kind.pack(kind.unpack(data)), data)


@pytest.mark.parametrize("name", K_TYPES)
def test_a_block_is_as_long_as_its_format_says(name: str) -> None:
    found = find_format(name)
    assert (K_TYPES[name].fields.itemsize, 256) == (found.matrix_bytes(1, 256), found.group_size)
    assert K_TYPES[name].bits == found.bits


def test_a_block_of_q4_k_by_hand() -> None:
    """d 1, dmin 2; scales 1 to 7 and 60, mins 8 to 14 and 61; the first weight of group g has code g, all others 0."""
    scales, mins = [1, 2, 3, 4, 5, 6, 7, 60], [8, 9, 10, 11, 12, 13, 14, 61]
    codes = np.zeros((1, 256), np.uint8)
    codes[0, ::32] = range(8)
    one, two = (np.array([value], np.float16) for value in (1, 2))
    blocks = KBlocks(codes, np.array([scales], np.int8), np.array([mins], np.int8), one, two)
    # the fourth of scales 60 and min 61 have two bits more than fit below: 3 and 3
    first = bytes([1, 2, 3, 4 | 3 << 6, 8, 9, 10, 11 | 3 << 6, 5 | 12 << 4, 6 | 13 << 4, 7 | 14 << 4, 12 | 13 << 4])
    pairs = b"".join(bytes([low | (low + 1) << 4, *[0] * 31]) for low in (0, 2, 4, 6))
    kind = K_TYPES["q4_k"]
    assert kind.pack(blocks).tobytes() == HALF_ONE + HALF_TWO + first + pairs
    values = kind.values(blocks)[0].reshape(8, 32)
    assert values[:, 0].tolist() == [
        scale * group - 2 * least for group, (scale, least) in enumerate(zip(scales, mins, strict=True))
    ]
    assert values[:, 1].tolist() == [-2 * least for least in mins]


def test_a_set_bit_of_q3_k_means_that_nothing_is_taken_off() -> None:
    """High bits are stored as "not four less", scales 32 above their value."""
    block = bytes([0xFF] * 32 + [0] * 64 + [0x11] * 8 + [0b10101010] * 4) + HALF_ONE
    kind = K_TYPES["q3_k"]
    found = kind.unpack(np.frombuffer(block, np.uint8)[None])
    assert (found.codes == 4).all()
    assert (found.scales == 1).all()
    assert (kind.values(found) == 0).all()
    without = kind.unpack(np.frombuffer(bytes(32) + block[32:], np.uint8)[None])
    assert (kind.values(without) == -4).all()


def test_a_plane_puts_neighbours_in_neighbouring_bytes() -> None:
    codes = np.array([[1, 2, 3, 0, 0, 1, 2, 3]], np.uint8)
    assert Plane(2, 2).pack(codes).tolist() == [[1 | 3 << 2 | 0 << 4 | 2 << 6, 2 | 0 << 2 | 1 << 4 | 3 << 6]]
