"""Models of transformers with random weights: what is put in place is what is computed (extra ``quantize``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.accuracy.decisions import FULL
from tests.sim.tiny import cli

pytestmark = pytest.mark.quantize
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("safetensors")

from moe_cosim.sim.accuracy.decoder import Decoder  # noqa: E402
from moe_cosim.sim.accuracy.replicas import Replicas, expert_inputs  # noqa: E402
from moe_cosim.sim.accuracy.scores import Scorer  # noqa: E402

SMALL = {
    "vocab_size": 256, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "num_local_experts": 4, "num_experts_per_tok": 2, "max_position_embeddings": 256,
    "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    model = transformers.MixtralForCausalLM(transformers.MixtralConfig(**SMALL))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)  # far from uniform chances
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def texts() -> Any:
    return np.random.default_rng(0).integers(256, size=(3, 48))


@pytest.fixture
def replicas(folder: Path, texts: Any) -> Replicas:
    decoder = Decoder(folder)
    return Replicas(decoder, "rtn", 32, expert_inputs(decoder, texts))


def test_answers_are_those_of_the_whole_text_in_one_pass(folder: Path, replicas: Replicas, texts: Any) -> None:
    model = transformers.MixtralForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    after = replicas.decoder.prefill(texts[0, :32])
    for _ in range(2):  # the prompt stays as it was
        found = replicas.decoder.answer(after, texts[0, 32:])
        whole = torch.log_softmax(model(torch.from_numpy(texts[:1])).logits[0, 32:], dim=-1)
        assert torch.allclose(found, whole, atol=1e-4)


def test_routing_is_that_of_the_models_router_logits(folder: Path, replicas: Replicas, texts: Any) -> None:
    model = transformers.MixtralForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    logits = model(torch.from_numpy(texts[:1]), output_router_logits=True).router_logits
    found = replicas.decoder.prefill(texts[0]).routing
    for layer, own in enumerate(logits):
        assert np.array_equal(found.experts[:, layer], own.topk(2).indices.numpy())
    assert found.weights.sum(axis=2) == pytest.approx(1, abs=1e-5)


def test_what_is_at_16_bits_changes_nothing_and_fewer_bits_change_more(replicas: Replicas, texts: Any) -> None:
    scorer = Scorer(replicas, list(texts[:, :32]), texts[:, 32:])
    shape = (len(texts), *replicas.shape)
    lost = [scorer.score(replicas, np.full(shape, bits)).divergence.mean() for bits in (FULL, 4, 3, 2, 1)]
    assert lost[0] == pytest.approx(0, abs=1e-6)
    assert lost == sorted(lost)
    again = scorer.score(replicas, np.full(shape, FULL))
    assert again.agreement.tolist() == [1, 1, 1]
    assert again.loss == pytest.approx(scorer.full().loss)


def test_losses_are_errors_of_outputs_over_the_tokens_sent_there(folder: Path, replicas: Replicas) -> None:
    table = replicas.losses()
    layer, expert, bits = 1, 2, 2
    inputs = replicas._inputs[layer][expert]
    outputs = []
    for width in (FULL, bits):
        gate, up, down = replicas.of(layer, expert, width)
        outputs.append((torch.nn.functional.silu(inputs @ gate.T) * (inputs @ up.T)) @ down.T)
    assert table.loss[layer, expert, bits - 1] == pytest.approx(float(((outputs[0] - outputs[1]) ** 2).mean()))


def test_the_command_says_what_every_arm_loses(folder: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_bytes(draw.integers(1, 256, size=2000).astype(np.uint8).tobytes())
    asked = ("--prompts", 2, "--prompt-tokens", 24, "--answer-tokens", 16, "--group-size", 32)
    files = ("--text", tmp_path / "a.txt", "--text", tmp_path / "b.txt", "--calibration", tmp_path / "c.txt")
    settings = ("--set", "policy.gpu_experts=2")
    found = cli("accuracy", folder, "cxl-ndp-mixtral-8x7b-2bit", *files, *asked, *settings, "--json")
    assert (found.exit_code, found.stderr) == (2, "moe-cosim: " + found.stderr.removeprefix("moe-cosim: "))
    (tmp_path / "c.txt").write_bytes(draw.integers(1, 256, size=8 * 512).astype(np.uint8).tobytes())
    found = cli("accuracy", folder, "cxl-ndp-mixtral-8x7b-2bit", *files, *asked, *settings, "--json")
    assert found.exit_code == 0, found.stderr
    printed = json.loads(found.stdout)
    arms = {arm["arm"]: arm for arm in printed["arms"]}
    assert printed["prompts"] == 4
    assert arms["selector"]["selector_gain"]["mean"] == 0
    assert all(arm["average_bits"] == 2 for arm in arms.values())
    assert all(0 <= arm["agreement"]["mean"] <= 1 for arm in arms.values())


def test_folders_that_lack_files_are_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"found no model\.safetensors"):
        Decoder(tmp_path)
