"""Multipliers beside banks: closed forms from the timings of arXiv 2605.11277, table 1."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import BF16
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.bank_gemv import BankGemv
from moe_cosim.workloads.models.find import find_model

QWEN3 = ExpertShape(2048, 768)
REFRESHED = 1 - 0.1026
MODELS = ("qwen3-30b-a3b", "gpt-oss-120b", "qwen3.5-397b-a17b")
"""That the paper runs."""


@pytest.fixture(scope="module")
def pim() -> BankGemv:
    model = build_machine("b200-hbm-pim", Assumptions()).units["gpu.pim"].model
    assert isinstance(model, BankGemv)
    return model


def test_one_token_of_an_expert_by_hand(pim: BankGemv) -> None:
    """Each of 6144 banks has 512 bytes of a matrix: 16 columns of 2 ns in one row opened in 28 ns. The token's 2048
    values and the 768 between the matrices go to each of 256 channels, at 31.25 GB/s."""
    vectors_ns = (2048 + 768) * 2 / 31.25
    found = int(pim.expert_ps(1, QWEN3, BF16)) / 1e3
    assert found == pytest.approx((3 * (16 * 2 + 28) + vectors_ns) / REFRESHED, rel=1e-5)


def test_tokens_of_an_expert_follow_each_other(pim: BankGemv) -> None:
    one, several = (float(pim.expert_ps(count, QWEN3, BF16)) for count in (1, 9))
    assert several == pytest.approx(9 * one, rel=1e-5)


def test_a_row_that_is_not_full_still_has_to_be_opened(pim: BankGemv) -> None:
    """1024 bytes of each bank are one row, 1056 two."""
    full, more = (float(pim.dense_ps(1, 1, 6144 * size // 2)) / 1e3 * REFRESHED for size in (1024, 1056))
    assert full == pytest.approx(32 * 2 + 28, abs=0.1)
    assert more == pytest.approx(33 * 2 + 2 * 28, abs=0.1)


def test_a_roofline_is_off_by_as_much_as_the_paper_says(pim: BankGemv) -> None:
    """1.8 to 4.2 (section 5.1)."""
    shapes = [find_model(name).expert for name in MODELS]
    off = [float(pim.expert_ps(1, shape, BF16)) / 1e12 / float(pim.peak_s(1, shape, BF16)) for shape in shapes]
    assert min(off) > 1.8
    assert max(off) == pytest.approx(4.2, rel=0.01)


def test_heads_that_share_keys_read_them_again(pim: BankGemv) -> None:
    """64 sequences of 1024 tokens, 32 heads of 128: 2 x 32 x 128 values a token, 2 bytes each."""
    shape = AttentionShape(heads=32, kv_heads=4, key_dim=128, value_dim=128)
    each_bank = 64 * 1024 * 2 * 32 * 128 * 2 / 6144
    expected = (np.ceil(each_bank / 32) * 2 + np.ceil(each_bank / 1024) * 28) / REFRESHED
    assert float(pim.attention_ps(64, 1, 1024, shape)) / 1e3 == pytest.approx(float(expected), rel=1e-4)
