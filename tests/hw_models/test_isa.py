"""Instruction sets of the catalogue, and what is refused in one and in the device that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_machine, build_with_origins
from moe_cosim.hw_models.units.cpu import CpuKernels
from moe_cosim.hw_models.units.isa import PACKINGS

_VECTORS = """\
kind: isa
title: vectors of the test
one_row:
  plain: {value: 8, source: "test"}
  grouped: {value: 7, source: "test"}
  microscaling: {value: 6, source: "test"}
  gguf-simple: {value: 5, source: "test"}
  gguf-k: {value: 4, source: "test"}
  gguf-iq: {value: 3, source: "test"}
op_per_cycle:
  bf16: {value: 32, source: "test"}
block_rows: {value: 4, source: "test"}
"""
_TILES = """\
kind: isa
title: tiles of the test
op_per_cycle:
  bf16: {value: 320, source: "test"}
tile_rows: {value: 16, source: "test"}
above_rows: {value: 4, source: "test"}
packings: [plain]
"""


def _machine(folder: Path, vectors: str = _VECTORS, tiles: str = _TILES, changes: tuple[str, str] = ("", "")) -> Path:
    """A machine with the catalogue's Xeon 8470 on instruction sets of the test."""
    (folder / "vectors.yaml").write_text(vectors)
    (folder / "tiles.yaml").write_text(tiles)
    device = catalog.find("xeon-8470", "device").read_text()
    device = device.replace("avx512-sapphire-rapids", "./vectors.yaml").replace("isa: amx", "isa: ./tiles.yaml")
    assert changes[0] in device
    (folder / "device.yaml").write_text(device.replace(*changes) if changes[0] else device)
    path = folder / "machine.yaml"
    path.write_text(
        "kind: machine\ntitle: test\ndevices:\n  gpu: {device: rtx-4090}\n  host: {device: ./device.yaml}\n"
        "links:\n  wire: {link: pcie4-x16, ends: [gpu.pcie, host.pcie]}\n"
    )
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        build_machine(path, Assumptions())
    return str(refused.value).removeprefix(f"{path.parent}/")


def test_a_device_may_name_files_of_its_own(tmp_path: Path) -> None:
    machine, origins = build_with_origins(_machine(tmp_path), Assumptions())
    model = machine.units["host.cpu"].model
    assert isinstance(model, CpuKernels)
    assert model.vectors.one_row == dict(zip(PACKINGS, (8, 7, 6, 5, 4, 3), strict=True))
    assert model.tiles is not None
    assert (model.tiles.tile_rows, model.tiles.above_rows, model.tiles.op_per_cycle) == (16, 4, {"bf16": 320})
    assert "devices.host.units.cpu.model.matrix_isa.tile_rows" in {origin.field for origin in origins}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  gguf-iq: ", "  gguf-iqq: ", "vectors.yaml: one_row.gguf-iqq: found an unknown field; "),
        ('  gguf-k: {value: 4, source: "test"}\n', "", "vectors.yaml: one_row.gguf-k: found nothing; "),
        ("  bf16: ", "  fp8: ", "vectors.yaml: op_per_cycle.fp8: found an unknown field; allowed: one of bf16, "),
        ("value: 32", "value: 0", "vectors.yaml: op_per_cycle.bf16: found 0; allowed: more than zero"),
        ("block_rows", "tile_rows", "vectors.yaml: tile_rows: found an unknown field; "),
        ("kind: isa", "kind: dram", "vectors.yaml: kind: found 'dram'; allowed: 'isa'"),
    ],
)
def test_mistake_in_vectors(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert _refusal(_machine(tmp_path, vectors=_VECTORS.replace(old, new))).startswith(says)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[plain]", "[plane]", "tiles.yaml: packings: found plane; allowed: one of gguf-iq, "),
        ('  bf16: {value: 320, source: "test"}', '  int8: {value: 320, source: "test"}', "tiles.yaml: op_per_cycle."),
        ("value: 16", "value: 1.5", "tiles.yaml: tile_rows: found 1.5; allowed: a whole number of at least 1"),
    ],
)
def test_mistake_in_tiles(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert _refusal(_machine(tmp_path, tiles=_TILES.replace(old, new))).startswith(says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("./vectors.yaml", "avx1024"), "device.yaml: units.cpu.model.vector_isa: found 'avx1024'; allowed: one of "),
        (("./tiles.yaml", "vectors.yaml"), "vectors.yaml: one_row: found an unknown field; "),
        (("      matrix_isa: ./tiles.yaml\n", "      sockets: 2\n"), "device.yaml: units.cpu.model.sockets: found "),
        (
            ("      launch:", '      numa: {sockets: {value: 2, source: "test"}}\n      launch:'),
            "device.yaml: units.cpu.model.numa.mode: found nothing; ",
        ),
    ],
)
def test_mistake_in_a_device(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    assert _refusal(_machine(tmp_path, changes=change)).startswith(says)


def test_the_use_of_sockets_is_the_experiments_to_choose() -> None:
    found = {}
    for mode in ("local", "interleaved", "tensor-parallel"):
        machine = build_machine("rtx4090-2x-xeon-6454s", Assumptions({"cpu-numa": mode}))
        model = machine.units["host.cpu"].model
        assert isinstance(model, CpuKernels)
        found[mode] = model.sockets.read_bytes_per_s(model.memory_share * model.memory_bytes_per_s)
    one = 0.732 * 307.2e9
    assert found == pytest.approx({"local": one, "interleaved": 4 * 96e9, "tensor-parallel": 2 * one})
    with pytest.raises(InputError, match="cpu-numa"):
        build_machine("rtx4090-2x-xeon-6454s", Assumptions({"cpu-numa": "mirrored"}))
