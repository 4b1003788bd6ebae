"""Bytes of quantized weights, counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import WeightFormat, find_format, format_of_bits, formats
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.workloads.models import find_model, model_names


@pytest.mark.parametrize(
    ("name", "bits_of_a_group"),
    [
        ("int8", 128 * 8 + 16 + 8),
        ("int4", 128 * 4 + 16 + 4),
        ("int3", 128 * 3 + 16 + 3),
        ("int2", 128 * 2 + 16 + 2),
        ("int1", 128 * 1 + 16 + 1),
    ],
)
def test_a_group_has_its_scale_and_zero_point(name: str, bits_of_a_group: int) -> None:
    assert find_format(name).bytes_of(128 * 8) == bits_of_a_group
    assert find_format(name).bits_per_weight == bits_of_a_group / 128


def test_microscaling_has_a_byte_per_32_weights() -> None:
    assert find_format("mxfp4").bytes_of(32) == 17
    assert find_format("mxfp4").bits_per_weight == 4.25


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        *(("q4_0", 4.5), ("q4_1", 5.0), ("q5_0", 5.5), ("q5_1", 6.0), ("q8_0", 8.5)),
        *(("q2_k", 2.625), ("q3_k", 3.4375), ("q4_k", 4.5), ("q5_k", 5.5), ("q6_k", 6.5625)),
        *(("iq1_s", 1.5625), ("iq1_m", 1.75), ("iq2_xxs", 2.0625), ("iq2_xs", 2.3125), ("iq2_s", 2.5625)),
        *(("iq3_xxs", 3.0625), ("iq3_s", 3.4375), ("iq4_xs", 4.25), ("iq4_nl", 4.5)),
    ],
)
def test_blocks_of_gguf_have_the_bits_a_weight_that_are_published(name: str, bits: float) -> None:
    """Beside the structures of ggml-common.h (ggml-org/llama.cpp); 256 weights are whole blocks of every type."""
    assert find_format(name).bits_per_weight == bits
    assert find_format(name).bytes_of(256) * 8 == 256 * bits


def test_formats_without_groups_are_weights_times_bits() -> None:
    for name, bytes_per_weight in (("fp16", 2), ("bf16", 2), ("fp8", 1)):
        assert find_format(name).bytes_of(1000) == 1000 * bytes_per_weight
        assert find_format(name).bits_per_weight == 8 * bytes_per_weight


def test_partial_groups_and_bytes_are_rounded_up() -> None:
    # one weight over a group: a whole scale and zero point more
    assert find_format("int4").bytes_of(129) == -(-(129 * 4 + 2 * 20) // 8)
    assert find_format("int1").bytes_of(1) == -(-(1 + 17) // 8) == 3
    assert all(weight_format.bytes_of(0) == 0 for _, weight_format in formats)


def test_mixtral_experts() -> None:
    shape = find_model("mixtral-8x7b").expert
    assert find_format("fp16").expert_bytes(shape) == 352_321_536
    # 3 x 4096 x 14336 weights of 3 bits, 1 376 256 groups of 19 bits
    assert find_format("int3").expert_bytes(shape) == (176_160_768 * 3 + 1_376_256 * 19) // 8


def test_short_last_groups_of_rows() -> None:
    # 2880 is 22 groups of 128 and one of 64: 23 scales a row, where packing without rows needs 22.5
    shape = find_model("gpt-oss-20b").expert
    assert find_format("int4").matrix_bytes(2880, 2880) == 2880 * (2880 * 4 + 23 * 20) // 8
    assert find_format("int4").expert_bytes(shape) == 3 * find_format("int4").matrix_bytes(2880, 2880)
    assert find_format("int4").expert_bytes(shape) > find_format("int4").bytes_of(shape.weights)


def test_matrices_group_along_their_inputs() -> None:
    # into the expert: 200 rows of 128 (one group each); out of it: 128 rows of 200 (two groups each)
    shape = ExpertShape(hidden=128, intermediate=200, matrices=2)
    bits = 2 * 128 * 200 * 4 + (200 * 1 + 128 * 2) * 20
    assert find_format("int4").expert_bytes(shape) == bits // 8


def test_flat_and_exact_bytes_agree_for_whole_groups() -> None:
    for name in model_names():
        shape = find_model(name).expert
        for _, weight_format in formats:
            group = max(weight_format.group_size, 1)
            if shape.hidden % group == shape.intermediate % group == 0:
                assert weight_format.expert_bytes(shape) == weight_format.bytes_of(shape.weights)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(formats.names()))
def test_bytes_bound_the_bits_and_grow_with_the_weights(weights: int, more: int, name: str) -> None:
    weight_format = find_format(name)
    bits = weights * weight_format.bits
    beside = weight_format.scale_bits + weight_format.zero_point_bits
    assert bits <= 8 * weight_format.bytes_of(weights) <= weights * weight_format.bits_per_weight + beside + 8
    assert weight_format.bytes_of(weights) <= weight_format.bytes_of(weights + more)
    assert weight_format.bytes_of(weights + more) <= weight_format.bytes_of(weights) + weight_format.bytes_of(more)


def test_formats_by_width() -> None:
    assert {bits: format_of_bits(bits).name for bits in (1, 2, 3, 4, 8, 16)} == {
        1: "int1",
        2: "int2",
        3: "int3",
        4: "int4",
        8: "int8",
        16: "fp16",
    }


@pytest.mark.parametrize("bits", [0, 17, 5, -1, 7.5, 3.0, True, "3", None])
def test_widths_that_do_not_exist(bits: object) -> None:
    with pytest.raises(InputError, match=r"^my\.yaml: policy\.bits: found .*allowed: one of 1, 2, 3, 4, 8, 16 bits"):
        format_of_bits(bits, "my.yaml", "policy.bits")


@pytest.mark.parametrize("name", ["int7.5", "int17", "", "INT4", 4, None, ["int4"]])
def test_formats_that_do_not_exist(name: object) -> None:
    with pytest.raises(
        InputError, match=r"^my\.yaml: format: found .*allowed: one of bf16, bnb-4bit, fp16, fp8, fp8-block"
    ):
        find_format(name, "my.yaml")
    assert find_format("int4").bits == 4


def test_what_a_format_does_not_say_it_does_not_store() -> None:
    mine = WeightFormat("groups of nothing", 4, group_size=32)
    assert mine.bits_per_weight == 4
    assert mine.bytes_of(64) == 32
    assert WeightFormat("halves", 4, group_size=32, scale_bits=8).bytes_of(64) == 32 + 2
