"""Every family's experts are read as transformers computes with them; what is not understood is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder
from tests.workloads.quantization.checkpoints.tiny_models import TINY, save, tiny_model

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", "5.0")
pytestmark = pytest.mark.quantize


def changed(folder: Path, change: Any, file: str = "model.safetensors") -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / file)
    change(tensors)
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, folder / file)


@pytest.mark.parametrize("model_type", TINY)
def test_experts_are_those_of_the_model(tmp_path: Path, model_type: str) -> None:
    model = tiny_model(model_type)
    read = CheckpointFolder(save(model, tmp_path))
    layer = read.layers[-1]
    experts = model.model.layers[layer].mlp.experts
    found = read.experts(layer)
    assert len(found) == read.model.routed_experts == len(experts.down_proj)
    for number, expert in enumerate(found):
        both, down = experts.gate_up_proj[number], experts.down_proj[number]
        if model_type == "gpt_oss":
            assert torch.equal(expert.gate, both[:, ::2].T)
            assert torch.equal(expert.up, both[:, 1::2].T)
            assert torch.equal(expert.down, down.T)
        else:
            assert torch.equal(torch.cat([expert.gate, expert.up]), both)
            assert torch.equal(expert.down, down)


def test_layers_without_experts_are_left_out(tmp_path: Path) -> None:
    assert CheckpointFolder(save(tiny_model("deepseek_v3"), tmp_path)).layers == (1,)


def test_shards_and_fused_experts_read_alike(tmp_path: Path) -> None:
    model = tiny_model("mixtral")
    one = CheckpointFolder(save(model, tmp_path / "one")).experts(1)
    many = CheckpointFolder(save(model, tmp_path / "many", "100KB")).experts(1)
    fused = tmp_path / "fused"
    save(model, fused)

    def fuse(tensors: dict[str, Any]) -> None:
        for name in [name for name in tensors if ".experts." in name]:
            del tensors[name]
        tensors.update({name: part for name, part in model.state_dict().items() if ".experts." in name})

    changed(fused, fuse)
    for others in (many, CheckpointFolder(fused).experts(1)):
        assert all(
            torch.equal(a, b) for mine, its in zip(one, others, strict=True) for a, b in zip(mine, its, strict=True)
        )


def test_8_bits_with_block_scales(tmp_path: Path) -> None:
    """As DeepSeek-V3 stores them: a scale for every 128 x 128, the last block of a row shorter."""
    folder = save(tiny_model("deepseek_v3"), tmp_path)
    name = "model.layers.1.mlp.experts.0.up_proj.weight"
    values = torch.randn(32, 64, generator=torch.Generator().manual_seed(1)).to(torch.float8_e4m3fn)

    def pack(tensors: dict[str, Any]) -> None:
        tensors[name] = values
        tensors[f"{name}_scale_inv"] = torch.tensor([[0.25]])

    changed(folder, pack)
    assert torch.equal(CheckpointFolder(folder).expert(1, 0).up, values.float() * 0.25)


def test_scales_reach_over_their_block() -> None:
    from moe_cosim.workloads.quantization.checkpoints.shards import block_size

    assert [block_size(size, blocks) for size, blocks in ((2048, 16), (576, 5), (7168, 56), (64, 1), (1536, 1536))] == [
        128,
        128,
        128,
        64,
        1,
    ]


def test_published_gpt_oss_blocks(tmp_path: Path) -> None:
    """Blocks and scales, taken apart by transformers' own code as well."""
    mxfp4 = pytest.importorskip("transformers.integrations.mxfp4")
    folder = save(tiny_model("gpt_oss"), tmp_path)
    draw = torch.Generator().manual_seed(2)
    parts = {}
    for name, rows, columns in (("gate_up", 64, 64), ("down", 64, 32)):
        parts[f"{name}_proj_blocks"] = torch.randint(0, 256, (4, rows, columns // 32, 16), generator=draw).byte()
        parts[f"{name}_proj_scales"] = torch.randint(118, 125, (4, rows, columns // 32), generator=draw).byte()

    def pack(tensors: dict[str, Any]) -> None:
        for layer in (0, 1):
            for name in ("gate_up_proj", "down_proj"):
                del tensors[f"model.layers.{layer}.mlp.experts.{name}"]
            tensors.update({f"model.layers.{layer}.mlp.experts.{name}": part for name, part in parts.items()})

    changed(folder, pack)
    both, down = (
        mxfp4.convert_moe_packed_tensors(
            parts[f"{name}_proj_blocks"], parts[f"{name}_proj_scales"], dtype=torch.float32
        )
        for name in ("gate_up", "down")
    )
    expert = CheckpointFolder(folder).expert(0, 3)
    assert torch.equal(expert.gate, both[3, :, ::2].T)
    assert torch.equal(expert.up, both[3, :, 1::2].T)
    assert torch.equal(expert.down, down[3].T)


W1 = "model.layers.1.block_sparse_moe.experts.2.w1.weight"


def drop(tensors: dict[str, Any]) -> None:
    del tensors[W1]


def hole(tensors: dict[str, Any]) -> None:
    tensors[W1][3, 4] = float("nan")


def integers(tensors: dict[str, Any]) -> None:
    tensors[W1] = tensors[W1].to(torch.int8)


def unscaled(tensors: dict[str, Any]) -> None:
    tensors[W1] = tensors[W1].to(torch.float8_e4m3fn)


def cut(tensors: dict[str, Any]) -> None:
    tensors[W1] = tensors[W1][:, :32]


def renamed(tensors: dict[str, Any]) -> None:
    for name in [name for name in tensors if ".experts." in name]:
        tensors[name.replace(".experts.", ".all_experts.")] = tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, rf"{W1}: found no such tensor; allowed: all tensors"),
        (hole, rf"{W1}: found a value that is not finite; allowed: finite weights"),
        (integers, rf"{W1}: found I8; allowed: one of F32"),
        (unscaled, rf"{W1}: found 8 bits without a scale; allowed: {W1}_scale_inv beside it"),
        (cut, r"experts.2 gate: found \[96, 32\]; allowed: \[96, 64\], as config.json says"),
        (renamed, r"model.layers.1: found block_sparse_moe.all_experts.0.w1.weight; allowed: experts as mixtral"),
    ],
)
def test_tensors_that_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    folder = save(tiny_model("mixtral"), tmp_path)
    changed(folder, change)
    with pytest.raises(InputError, match=message):
        CheckpointFolder(folder).experts(1)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    folder = save(tiny_model("mixtral"), tmp_path, "100KB")
    shards = sorted(folder.glob("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message) as error:
            CheckpointFolder(folder)
        assert "\n" not in str(error.value)

    shards[1].rename(tmp_path / "kept")
    refused(f"shards: found no {re.escape(shards[1].name)}; allowed: the {len(shards)} files")
    (tmp_path / "kept").rename(shards[1])
    data = shards[1].read_bytes()
    shards[1].write_bytes(data[: len(data) // 2])
    refused("found a damaged or cut file")
    shards[1].write_bytes(data)
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    refused("layers.2: found no tensors; allowed: 3 layers")
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "dbrx"}))
    refused("model_type: found 'dbrx'; allowed: one of deepseek")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors.index.json").write_text("[]")
    refused("weight_map: found other fields than those")
    (folder / "model.safetensors.index.json").unlink()
    refused("folder: found no model.safetensors; allowed: a folder with")
