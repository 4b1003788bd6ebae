"""Models and machines that cannot be, or do not fit each other: one line, exit code 2."""

from __future__ import annotations

import pytest

from moe_cosim.hw_models import catalog
from tests.sim.tiny import MODEL, Tiny, cli, refused, says

TOO_LARGE = {
    "experts in their home": (("workload.output_tokens=2", "model=kimi-k2"), "experts (fp8-block) in ndp", "512 GB"),
    "dense part": (
        ("model=mixtral-8x7b", "machine.set.devices.gpu.memories.hbm.capacity=2 GB"),
        "in gpu.hbm",
        "left of 2 GB",
    ),
    "keys and values": (
        ("model=mixtral-8x7b", "workload.prompt_tokens=700000"),
        "KV cache in gpu.hbm",
        "left of 80 GB",
    ),
    "experts that stay": (("model=mixtral-8x22b", "policy.gpu_experts=4"), "experts on the GPU in gpu.hbm", "of 80 GB"),
    "all experts": (("model=mixtral-8x7b", "policy=all-on-gpu"), "all experts (fp16) in gpu.hbm", "left of 80 GB"),
    "one expert per layer": (
        ("model=mixtral-8x22b", "policy=lru", "machine=rtx4090-host"),
        "expert cache per layer in gpu.gddr",
        "at least 1",
    ),
}


@pytest.mark.parametrize(("changes", "field", "allowed"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_model_that_does_not_fit(tiny: Tiny, changes: tuple[str, ...], field: str, allowed: str) -> None:
    line = refused(tiny, *(part for change in changes for part in ("--set", change)))
    assert line.startswith(f"{tiny.path}: ")
    assert field in line.split(": found ")[0]
    assert allowed in line


@pytest.mark.parametrize("policy", ["cxl-ndp", "monde"])
def test_a_near_data_policy_needs_an_ndp(tiny: Tiny, policy: str) -> None:
    line = refused(tiny, "--set", f"policy={policy}", "--set", "machine=h100-host")
    says(line, tiny.path, "machine", "'h100-host'", f"a machine with an NDP unit (policy {policy})")


MODELS = {
    "layers without number": ({"num_hidden_layers": 2**31 - 1}, "num_hidden_layers: found 2147483647"),
    "experts beyond the tags": ({"num_local_experts": 40000}, "num_local_experts: found 40000"),
    "sizes beyond int64": ({"hidden_size": 2**30, "intermediate_size": 2**30}, "sizes: found"),
    "more chosen than there are": ({"num_experts_per_tok": 9}, "num_experts_per_tok: found 9"),
    "negative": ({"hidden_size": -4}, "hidden_size: found -4"),
    "not a number": ({"hidden_size": float("nan")}, "hidden_size: found nan"),
    "another architecture": ({"model_type": "llama"}, "model_type: found 'llama'"),
}


@pytest.mark.parametrize(("changes", "said"), MODELS.values(), ids=MODELS)
def test_a_model_that_cannot_be(tiny: Tiny, changes: dict[str, object], said: str) -> None:
    path = tiny.write_model(**changes)
    assert MODEL.keys() >= changes.keys()
    assert f"{path}: {said}" in refused(tiny)


MACHINE = """\
kind: machine
title: two devices
devices:
  gpu: {device: h100-sxm}
  ndp: {device: cxl-ndp}
  switch: {device: cxl-switch}
links:
  a: {link: cxl-pcie4-x16, ends: [gpu.pcie, switch.port]}
  b: {link: cxl-pcie4-x16, ends: [switch.port, ndp.pcie]}
"""
MACHINES = {
    "cyclic": (
        "links:\n",
        "links:\n  c: {link: cxl-pcie4-x16, ends: [gpu.pcie, ndp.pcie]}\n",
        "links: found the cycle",
    ),
    "parallel": ("links:\n", "links:\n  c: {link: cxl-pcie4-x16, ends: [gpu.pcie, switch.port]}\n", "parallel"),
    "to itself": ("[gpu.pcie, switch.port]", "[gpu.pcie, gpu.pcie]", "links.a: found gpu.xbar - gpu.xbar"),
    "not linked": ("  b: {link: cxl-pcie4-x16, ends: [switch.port, ndp.pcie]}\n", "", "not linked to the rest"),
    "no such port": ("ndp.pcie]", "ndp.pci]", "links.b.ends: found 'ndp.pci'"),
    "no such link": ("a: {link: cxl-pcie4-x16", "a: {link: cxl-pcie4", "did you mean 'cxl-pcie4-x16'?"),
    "no such device": ("cxl-ndp}", "cxl-nd}", "devices.ndp.device: found 'cxl-nd'"),
    "misspelt field": ("{device: cxl-ndp}", "{devise: cxl-ndp}", "devices.ndp.device: found nothing"),
    "unknown section": ("links:\n", "lnks: {}\nlinks:\n", "lnks: found an unknown field"),
    "no GPU": ("h100-sxm}", "cxl-type3}", "machine: found"),
    "dot in a name": ("  ndp: {", "  n.d: {", "devices.n.d: found such a name"),
    "another kind": ("kind: machine", "kind: device", "kind: found 'device'"),
    "device is nothing": ("{device: cxl-ndp}", "", "devices.ndp: found nothing"),
}


@pytest.mark.parametrize(("old", "new", "said"), MACHINES.values(), ids=MACHINES)
def test_a_machine_that_cannot_be(tiny: Tiny, old: str, new: str, said: str) -> None:
    assert old in MACHINE
    (tiny.folder / "machine.yaml").write_text(MACHINE.replace(old, new, 1))
    tiny.write(("{use: h100-cxl-ndp}", "./machine.yaml"))
    line = refused(tiny)
    assert said in line
    assert "machine" in line.split(": ")[0] or line.startswith(f"{tiny.path}: machine: ")


def test_the_machine_that_the_others_are_broken_copies_of(tiny: Tiny) -> None:
    (tiny.folder / "machine.yaml").write_text(MACHINE)
    tiny.write(("{use: h100-cxl-ndp}", "./machine.yaml"))
    assert cli("run", tiny.path).exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[activations, weights, prefetch]", "[weights]", "copy lanes weights beside its GPU"),
        ("[activations, weights, prefetch]", "[weights, weights]", "every lane's name once"),
        ("standard: hbm3", "standard: hbm9", "did you mean 'hbm3'?"),
    ],
)
def test_a_device_that_cannot_be(tiny: Tiny, old: str, new: str, said: str) -> None:
    text = catalog.find("h100-sxm", "device").read_text()
    assert old in text
    (tiny.folder / "gpu.yaml").write_text(text.replace(old, new, 1))
    (tiny.folder / "machine.yaml").write_text(MACHINE.replace("h100-sxm", "./gpu.yaml"))
    tiny.write(("{use: h100-cxl-ndp}", "./machine.yaml"))
    assert said in refused(tiny)
