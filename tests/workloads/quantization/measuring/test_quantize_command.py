"""``moe-cosim quantize`` from a folder to a table of losses and a trace: what it measures, resumes and refuses."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sim.tiny import cli
from tests.workloads.quantization.checkpoints.tiny_models import TINY, save, tiny_model

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", "5.0")
pytestmark = pytest.mark.quantize

TEXT = "The experts of a layer are chosen by its router, token by token; what few choose is read seldom. " * 12


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tiny_model("mixtral"), tmp_path_factory.mktemp("models") / "tiny-mixtral")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def quantized(folder: Path, out: Path, *options: object) -> dict[str, Any]:
    found = cli("quantize", folder, "--group-size", 32, "-o", out, *options)
    assert found.exit_code == 0, (found.stderr, found.exception)
    with np.load(out) as arrays:
        return dict(arrays)


CALIBRATED = ("--tokens", 512, "--sequence-tokens", 64, "--delta-tokens", 256)


@pytest.mark.parametrize("model_type", TINY)
def test_every_family(tmp_path: Path, text: Path, model_type: str) -> None:
    folder = save(tiny_model(model_type), tmp_path / "model")
    found = quantized(
        folder, tmp_path / "l.npz", "--bits", "2,4", "--method", "rtn", "--calibration", text, *CALIBRATED
    )
    layers = 1 if model_type.startswith("deepseek") else 2
    experts = 8 if model_type == "deepseek_v3" else 4
    assert found["loss"].shape == (layers, experts, 2)
    assert (found["loss"][:, :, 1] < found["loss"][:, :, 0]).all()
    assert (found["tokens"].sum(axis=1) == 512 * 2).all()
    from moe_cosim.workloads.routing.readers import read_trace

    trace = read_trace(tmp_path / "l-routing.npz")
    assert (trace.tokens, trace.layers, trace.top_k, trace.documents) == (512, layers, 2, 8)
    assert np.array_equal(
        np.bincount(trace.take(np.arange(512))[0][:, 0].ravel(), minlength=experts), found["tokens"][0]
    )
    assert not list(tmp_path.glob("*.work"))


def test_changes_are_those_of_the_model_with_quantized_experts(tmp_path: Path, mixtral: Path, text: Path) -> None:
    """One layer's experts replaced in transformers' model, its loss before and after."""
    from moe_cosim.workloads.quantization.quantizers import quantizer

    found = quantized(
        mixtral, tmp_path / "l.npz", "--bits", "1,3", "--method", "rtn", "--calibration", text, *CALIBRATED
    )
    model = tiny_model("mixtral").float()
    ids = torch.tensor(list(TEXT.encode()[:256])).reshape(4, 64)

    def loss() -> float:
        with torch.no_grad():
            logits = model(ids).logits
        return float(torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()))

    before = loss()
    for layer in (0, 1):
        experts = model.model.layers[layer].mlp.experts
        kept = experts.gate_up_proj.data.clone(), experts.down_proj.data.clone()
        method = quantizer("rtn", 1, 32)
        for matrix in (*experts.gate_up_proj.data, *experts.down_proj.data):
            matrix.copy_(method.quantize(matrix).dequantize())
        assert found["layer_delta_loss"][layer, 0] == pytest.approx(loss() - before, abs=2e-6)
        experts.gate_up_proj.data, experts.down_proj.data = kept
    # what experts are told of it adds up to it, over the tokens of the calibration
    shares = (found["delta_loss"] * found["tokens"][:, :, None]).sum(axis=1) / 512
    np.testing.assert_allclose(shares, found["layer_delta_loss"], rtol=1e-9)


def test_gptq_loses_less_than_rounding_where_it_weighs(tmp_path: Path, mixtral: Path, text: Path) -> None:
    options = ("--bits", "3", "--calibration", text, *CALIBRATED)
    gptq = quantized(mixtral, tmp_path / "g.npz", "--method", "gptq", *options)
    rtn = quantized(mixtral, tmp_path / "r.npz", "--method", "rtn", *options)
    assert (gptq["hessian_error"] < rtn["hessian_error"]).all()
    assert gptq["loss"].sum() < rtn["loss"].sum()


def test_an_ended_measurement_goes_on(
    tmp_path: Path, mixtral: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("moe_cosim.workloads.quantization.measuring.measure")
    options = ("--bits", "2", "--method", "gptq", "--calibration", text, *CALIBRATED)
    quantized(mixtral, tmp_path / "whole.npz", *options)
    plain, layers = module._layer, []

    def ended(*arguments: Any) -> Any:
        layers.append(arguments[3])
        if len(layers) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(module, "_layer", ended)
    found = cli("quantize", mixtral, "--group-size", 32, "-o", tmp_path / "cut.npz", *options)
    assert (found.exit_code, layers) == (130, [0, 1])
    assert not (tmp_path / "cut.npz").exists()
    refused = cli("quantize", mixtral, "--group-size", 64, "-o", tmp_path / "cut.npz", *options)
    assert refused.exit_code == 2
    assert "layers of other options or weights" in refused.stderr
    quantized(mixtral, tmp_path / "cut.npz", *options)
    assert layers == [0, 1, 1]
    for name in ("{}.npz", "{}-routing.npz"):
        assert (tmp_path / name.format("cut")).read_bytes() == (tmp_path / name.format("whole")).read_bytes()


def test_quick_needs_no_data(tmp_path: Path, mixtral: Path) -> None:
    found = quantized(mixtral, tmp_path / "l.npz", "--quick", "--bits", "1,2,3,4,8")
    assert found["loss"].shape == (2, 4, 5)
    assert str(found["loss_is"]) == "relative squared error of weights"
    assert not (tmp_path / "l-routing.npz").exists()


def test_what_is_shown(tmp_path: Path, mixtral: Path, text: Path) -> None:
    found = cli("quantize", mixtral, "--quick", "--bits", "4", "-o", tmp_path / "l.npz", "--group-size", 32, "--json")
    shown = json.loads(found.stdout)
    assert (shown["model"], shown["method"], shown["widths"][0]["bits"]) == ("tiny-mixtral", "rtn", 4)


def test_weights_that_are_refused_leave_nothing(tmp_path: Path, text: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(tiny_model("mixtral"), tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.block_sparse_moe.experts.3.w2.weight"][0, 0] = float("inf")
    save_file(tensors, folder / "model.safetensors")
    before = set(tmp_path.rglob("*"))
    short = tmp_path / "short.txt"
    short.write_text("short")
    for options in (("--quick",), ("--calibration", text, "--tokens", 512), ("--calibration", short)):
        found = cli("quantize", folder, "-o", tmp_path / "l.npz", *options)
        assert found.exit_code == 2
        assert found.stderr.splitlines()[-1].startswith("moe-cosim: ")
        assert set(tmp_path.rglob("*")) == before | {short}
    assert "found 5; allowed: at least 128, as many as a group has weights" in found.stderr


def test_narrow_rows_are_no_blocks_of_k_quants(tmp_path: Path, mixtral: Path, text: Path) -> None:
    before = set(tmp_path.rglob("*"))
    options = ("--method", "gguf-k", "--bits", "4", "--calibration", text, *CALIBRATED)
    found = cli("quantize", mixtral, "-o", tmp_path / "l.npz", *options)
    assert found.exit_code == 2
    assert "experts.0 gate: weight: found [96, 64]; allowed: rows of whole blocks of 256" in found.stderr
    assert set(tmp_path.rglob("*")) == before
