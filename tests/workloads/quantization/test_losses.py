"""Loss tables: the synthetic law, and files that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.workloads.models import find_model
from moe_cosim.workloads.quantization.losses import LossTable, architecture, read_losses, synthetic_losses

MODEL = find_model("mixtral-8x7b")
GOOD = np.broadcast_to(4.0 ** -np.arange(1, 5), (32, 8, 4)).copy()


def synthetic(seed: int = 1, layers: int = 32, experts: int = 64, **settings: Any) -> LossTable:
    named = {f"loss-{name.replace('_', '-')}": value for name, value in settings.items()}
    return synthetic_losses(layers, experts, seed, Assumptions(named))


# -- synthetic -----------------------------------------------------------------------------


def test_a_bit_more_is_a_quarter_of_the_loss() -> None:
    loss = synthetic().loss
    assert loss.shape == (32, 64, 4)
    np.testing.assert_allclose(loss[:, :, 1:] * 4, loss[:, :, :-1], rtol=1e-12)


def test_one_seed_is_one_table() -> None:
    np.testing.assert_array_equal(synthetic(7).loss, synthetic(7).loss)
    assert (synthetic(7).loss != synthetic(8).loss).mean() > 0.99


def test_growth_is_the_last_layer_over_the_first() -> None:
    loss = synthetic(sensitivity_spread=0.0, layer_growth=8.0, scale=2.0).loss
    np.testing.assert_allclose(loss[0, :, 0], 2.0 / 4)
    np.testing.assert_allclose(loss[-1] / loss[0], 8.0)
    steps = loss[1:, 0, 0] / loss[:-1, 0, 0]
    np.testing.assert_allclose(steps, 8.0 ** (1 / 31))


def test_spread_is_that_of_the_logarithm() -> None:
    loss = synthetic(experts=20_000, layers=1, sensitivity_spread=0.7).loss
    logs = np.log(loss[0, :, 0] * 4)
    assert np.mean(logs) == pytest.approx(0.0, abs=4 * 0.7 / 20_000**0.5)
    assert np.std(logs) == pytest.approx(0.7, rel=0.03)


def test_the_assumptions_are_reported_and_bounded() -> None:
    used = Assumptions()
    synthetic_losses(2, 2, 0, used)
    assert {a.name for a in used.used()} == {"loss-sensitivity-spread", "loss-layer-growth", "loss-scale"}
    with pytest.raises(InputError, match=r"loss-layer-growth: found 0\.5; allowed: between 1\.0 and 1000"):
        synthetic(layer_growth=0.5)


def test_one_layer_has_no_growth() -> None:
    assert synthetic(layers=1, sensitivity_spread=0.0).loss[0, 0, 0] == pytest.approx(0.25)


def test_columns_are_found_by_width() -> None:
    table = LossTable((1, 2, 3, 4, 8), np.arange(40.0)[::-1].reshape(1, 8, 5))
    np.testing.assert_array_equal(table.of_layer(0, (2, 8)), table.loss[0][:, [1, 4]])
    assert table.of_layer(0).shape == (8, 4)
    with pytest.raises(InputError, match="a table that has 1, 16 bits"):
        table.of_layer(0, (1, 16))


# -- files ---------------------------------------------------------------------------------


def npz(folder: Path, loss: Any = GOOD, bits: Any = (1, 2, 3, 4)) -> Path:
    np.savez(folder / "losses.npz", bits=np.asarray(bits), loss=np.asarray(loss))
    return folder / "losses.npz"


def measured(folder: Path, of: str = "mixtral-8x7b", **arrays: Any) -> Path:
    """As ``moe-cosim quantize`` writes it."""
    said = {"model": "Weights-8x7B", "architecture": architecture(find_model(of)), "method": "gptq"}
    np.savez(folder / "measured.npz", **{"bits": [1, 2, 3, 4], "loss": GOOD, **said, **arrays})
    return folder / "measured.npz"


def lines(loss: Any = GOOD) -> list[str]:
    return [
        f"{layer},{expert},{b + 1},{float(value)!r}" for (layer, expert, b), value in np.ndenumerate(np.asarray(loss))
    ]


def csv_file(folder: Path, rows: list[str], header: str = "layer,expert,bits,loss") -> Path:
    path = folder / "losses.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def changed(at: tuple[int, int, int], value: float) -> np.ndarray[Any, Any]:
    loss = GOOD.copy()
    loss[at] = value
    return loss


def test_both_file_forms_give_the_table_back(tmp_path: Path) -> None:
    loss = synthetic(3, experts=8).loss
    for path in (npz(tmp_path, loss), csv_file(tmp_path, lines(loss)[::-1])):
        table = read_losses(path, MODEL)
        assert table.bits == (1, 2, 3, 4)
        np.testing.assert_array_equal(table.loss, loss)


def test_a_table_of_the_very_model_brings_the_change_of_its_loss(tmp_path: Path) -> None:
    delta = GOOD * 0.01
    table = read_losses(measured(tmp_path, delta_loss=delta), MODEL)
    assert table.origin == "measured on Weights-8x7B by gptq"
    np.testing.assert_array_equal(table.loss, GOOD)
    assert table.delta is not None
    np.testing.assert_array_equal(table.delta, delta)
    assert read_losses(measured(tmp_path), MODEL).delta is None
    assert read_losses(npz(tmp_path), MODEL).origin == "given"


@pytest.mark.parametrize("name", ["olmoe-1b-7b", "mixtral-8x22b"])
def test_of_another_model_the_rank_order_alone_is_carried_over(tmp_path: Path, name: str) -> None:
    loss = synthetic(3, experts=8).loss
    model = find_model(name)
    table = read_losses(measured(tmp_path, loss=loss, delta_loss=loss), model)
    assert table.origin == "transferred: rank order alone, of Weights-8x7B"
    assert table.delta is None
    assert table.loss.shape == (len(model.moe_layers), model.routed_experts, 4)
    # in the last layer the order is the table's, and no size of it is left
    last = loss[-1, np.arange(model.routed_experts) * 8 // model.routed_experts]
    np.testing.assert_array_equal(
        np.sign(np.subtract.outer(last, last)), np.sign(np.subtract.outer(*[table.loss[-1]] * 2))
    )
    larger = read_losses(measured(tmp_path, loss=loss * 1000), model)
    np.testing.assert_array_equal(larger.loss, table.loss)
    table.validate("transferred")


def test_a_change_of_another_shape_is_refused(tmp_path: Path) -> None:
    for delta in (GOOD[:, :, :2], np.full(GOOD.shape, np.nan), GOOD.astype(int)):
        with pytest.raises(InputError, match=r"delta_loss: found .*; allowed: finite numbers \[32, 8, 4\]"):
            read_losses(measured(tmp_path, delta_loss=delta), MODEL)


@pytest.mark.parametrize(
    ("loss", "bits", "field", "says"),
    [
        (changed((2, 3, 1), float("nan")), (1, 2, 3, 4), "loss of layer 2, expert 3, 2 bits", "found nan"),
        (changed((2, 3, 0), float("inf")), (1, 2, 3, 4), "loss of layer 2, expert 3, 1 bits", "finite"),
        (changed((0, 0, 3), -1.0), (1, 2, 3, 4), "loss of layer 0, expert 0, 4 bits", "at least 0"),
        (changed((31, 7, 2), 0.2), (1, 2, 3, 4), "loss of layer 31, expert 7, 3 bits", "fewer bits"),
        (GOOD[:31], (1, 2, 3, 4), "loss", "found 31 layers of 8 experts; allowed: 32 MoE layers of 8"),
        (GOOD[:, :7], (1, 2, 3, 4), "loss", "32 layers of 7 experts"),
        (GOOD[:, :, :3], (1, 2, 3, 4), "loss", "4 bit widths"),
        (GOOD[0], (1, 2, 3, 4), "loss", "[layers, experts"),
        (GOOD, (1, 2, 4, 3), "bits", "increasing"),
        (GOOD, (0, 1, 2, 3), "bits", "at least 1"),
        (GOOD, (1.0, 2.0, 3.0, 4.0), "bits", "whole numbers"),
        (GOOD.astype(complex), (1, 2, 3, 4), "loss", "real numbers"),
    ],
)
def test_tables_no_quantizer_could_have_measured(tmp_path: Path, loss: Any, bits: Any, field: str, says: str) -> None:
    path = npz(tmp_path, loss, bits)
    with pytest.raises(InputError) as caught:
        read_losses(path, MODEL)
    assert str(caught.value).startswith(f"{path}: {field}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "field", "says"),
    [
        (lines()[:-1], "file", "1023 rows"),
        ([*lines(), "0,0,1,0.25"], "line 1026", "a cell twice"),
        ([*lines()[:-1], "31,7,4,x"], "line 1025", "three whole numbers"),
        ([*lines()[:-1], "31,7"], "line 1025", "three whole numbers"),
        ([*lines()[:-1], "-1,7,4,0.1"], "line 1025", "counted from 0"),
        ([*lines()[:-1], "31,99999999999,4,0.1"], "line 1025", "counted from 0"),
        ([*lines()[:-1], "31,7,4,nan"], "loss of layer 31, expert 7, 4 bits", "finite"),
        ([], "file", "no rows"),
    ],
)
def test_bad_csv_names_the_line(tmp_path: Path, rows: list[str], field: str, says: str) -> None:
    path = csv_file(tmp_path, rows)
    with pytest.raises(InputError) as caught:
        read_losses(path, MODEL)
    assert str(caught.value).startswith(f"{path}: {field}: ")
    assert says in str(caught.value)


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"header: .*allowed: layer,expert,bits,loss"):
        read_losses(csv_file(tmp_path, lines(), "a,b,c,d"), MODEL)
    with pytest.raises(InputError, match=r"a \.npz or \.csv file"):
        read_losses(tmp_path / "losses.txt", MODEL)
    for name in ("absent.npz", "absent.csv"):
        with pytest.raises(InputError, match="file: found nothing there"):
            read_losses(tmp_path / name, MODEL)
    (tmp_path / "junk.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="written by numpy"):
        read_losses(tmp_path / "junk.npz", MODEL)
    np.savez(tmp_path / "half.npz", loss=GOOD)
    with pytest.raises(InputError, match="bits"):
        read_losses(tmp_path / "half.npz", MODEL)
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, GOOD)  # an array that is not an archive
    with pytest.raises(InputError, match="arrays 'bits' and 'loss'"):
        read_losses(tmp_path / "one.npz", MODEL)


def test_layers_are_those_with_experts(tmp_path: Path) -> None:
    deepseek = find_model("deepseek-v2-lite")  # 27 layers, the first without experts
    loss = np.broadcast_to(4.0 ** -np.arange(1, 5), (26, 64, 4))
    assert read_losses(npz(tmp_path, loss), deepseek).loss.shape == (26, 64, 4)
