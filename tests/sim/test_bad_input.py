"""Bad input is one line on standard error that names file, field, what was found and what is allowed; exit code 2."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.limits import MOST_BYTES
from tests.sim.tiny import EXPERIMENT, MODEL, Tiny, cli

ROUTING = "{source: generator, preset: mixtral-8x7b}"
POLICY = "{name: cxl-ndp, gpu_experts: 1}"


def _refused(tiny: Tiny, *options: object, before: set[Path] | None = None) -> str:
    """The line; nothing on standard output, nothing left behind."""
    there = before or set(tiny.folder.rglob("*"))
    found = cli("run", tiny.path, "--out", tiny.folder / "out", *options)
    assert found.exit_code == 2, (found.exit_code, found.stderr, found.exception)
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith("moe-cosim: ")
    assert set(tiny.folder.rglob("*")) == there
    return found.stderr.removeprefix("moe-cosim: ").rstrip("\n")


def _says(line: str, where: object, field: str, found: str, allowed: str) -> None:
    """`line` is ``where: field: found …; allowed: …``; `found` and `allowed` are parts of what it says."""
    parts = re.fullmatch(r"(?P<where>.*?): (?P<field>[^:]*): found (?P<found>.*); allowed: (?P<allowed>.*)", line)
    assert parts is not None, line
    assert (parts["where"], parts["field"]) == (str(where), field), line
    assert found in parts["found"], line
    assert allowed in parts["allowed"], line


# -- the experiment's own fields --------------------------------------------------------------------

FIELDS: dict[str, tuple[str, str, str, str, str]] = {
    # name: (text, its replacement, field, found, allowed)
    "unknown field": ("seed", "sead", "sead", "an unknown field", "(did you mean 'seed'?)"),
    "unknown field in a part": ("{batch: 1,", "{bach: 1,", "workload.bach", "an unknown field", "one of batch, "),
    "misspelt part": ("policy:", "polcy:", "polcy", "an unknown field", "did you mean 'policy'?"),
    "missing part": (f"policy: {POLICY}\n", "", "policy", "nothing", "the field is required"),
    "no name": ("name: tiny", 'name: ""', "name", "''", "not empty"),
    "number as name": ("name: tiny", "name: 5", "name", "5", "text"),
    "list as machine": ("{use: h100-cxl-ndp}", "[1]", "machine", "[1]", ""),
    "null machine": ("{use: h100-cxl-ndp}", "", "machine", "None", ""),
    "machine near miss": (
        "h100-cxl-ndp",
        "h100-cxl-nd",
        "machine.use",
        "'h100-cxl-nd'",
        "did you mean 'h100-cxl-ndp'?",
    ),
    "model near miss": ("./model.json", "mixtral-8x7", "model", "'mixtral-8x7'", "did you mean 'mixtral-8x7b'?"),
    "number as model": ("./model.json", "5", "model", "5", "text"),
    "text as routing": (ROUTING, "generator", "routing", "'generator'", "a mapping"),
    "no source": (ROUTING, "{}", "routing.source", "nothing", "one of "),
    "source near miss": ("generator,", "genrator,", "routing.source", "'genrator'", "did you mean 'generator'?"),
    "preset near miss": ("mixtral-8x7b}", "mixtral-8x7}", "routing.preset", "'mixtral-8x7'", "mean 'mixtral-8x7b'?"),
    "number as preset": ("mixtral-8x7b}", "7}", "routing.preset", "7", "type str"),
    "routing option": ("mixtral-8x7b}", "mixtral-8x7b, domian: 1}", "routing.domian", "unknown", "mean 'domain'?"),
    "routing option's range": ("mixtral-8x7b}", "mixtral-8x7b, domain: 99}", "routing.domain", "99", "0 to "),
    "text as batch": ("{batch: 1,", '{batch: "1",', "workload.batch", "'1'", "integer"),
    "no batch at all": ("{batch: 1,", "{batch: 0,", "workload.batch", "0", "1"),
    "fraction of a token": ("output_tokens: 3", "output_tokens: 1.5", "workload.output_tokens", "1.5", "integer"),
    "whole float": ("output_tokens: 3", "output_tokens: 3.0", "workload.output_tokens", "3.0", "integer"),
    "no output": ("output_tokens: 3", "output_tokens: 0", "workload.output_tokens", "0", "1"),
    "negative output": ("output_tokens: 3", "output_tokens: -1", "workload.output_tokens", "-1", "1"),
    "true output": ("output_tokens: 3", "output_tokens: true", "workload.output_tokens", "True", "integer"),
    "trillion outputs": (
        "output_tokens: 3",
        "output_tokens: 1000000000000",
        "workload.output_tokens",
        "10",
        "2147483647",
    ),
    "billion outputs": ("output_tokens: 3", "output_tokens: 1000000000", "workload", "events", "64 GB of memory"),
    "billion sequences": ("{batch: 1,", "{batch: 2000000000,", "workload", "choices", "64 GB of memory"),
    "billion prompt tokens": (
        "prompt_tokens: 4",
        "prompt_tokens: 2000000000",
        "workload",
        "choices",
        "64 GB of memory",
    ),
    "billion skipped tokens": (
        "{batch: 1,",
        "{batch: 4000000, skipped_tokens: 2000000000,",
        "workload",
        "of keys and values",
        "at most 1000 PB",
    ),
    "policy near miss": ("name: cxl-ndp,", "name: cxl-nd,", "policy.name", "'cxl-nd'", "did you mean 'cxl-ndp'?"),
    "no policy": (POLICY, "{}", "policy.name", "nothing", "one of all-on-gpu, "),
    "policy option": ("gpu_experts: 1", "gpu_expert: 1", "policy.gpu_expert", "gpu_expert", "mean 'gpu_experts'?"),
    "policy option's type": ("gpu_experts: 1", "gpu_experts: 1.5", "policy.gpu_experts", "1.5", "a whole number"),
    "policy option's range": ("gpu_experts: 1", "gpu_experts: 5", "policy.gpu_experts", "5", "from 0 to 4"),
    "share above one": ("gpu_experts: 1", "alpha: 1.5", "policy.alpha", "1.5", "from 0 to 1"),
    "flag of text": (POLICY, '{name: lru, speculative: "yes"}', "policy.speculative", "'yes'", "true or false"),
    "cache of none": (POLICY, "{name: lru, cache_experts: 0}", "policy.cache_experts", "0", "1 to 4"),
    "unused option": (POLICY, "{name: monde, resident_experts: -1}", "policy.resident_experts", "-1", "0 to 4"),
    "low format": (POLICY, "{name: hobbit, low_format: int9}", "policy.low_format", "'int9'", "did you mean"),
    "negative seed": ("seed: 0", "seed: -1", "seed", "-1", "0"),
    "seed of a googol": ("seed: 0", "seed: 1" + 100 * "0", "seed", "1000", "2147483647"),
    "engine near miss": ("seed: 0", "engine: embeded", "engine", "'embeded'", "did you mean 'embedded'?"),
    "number as engine": ("seed: 0", "engine: 4", "engine", "4", ""),
    "bits below one": ("seed: 0", "quantization: {average_bits: 0}", "quantization.average_bits", "0", "1"),
    "text as bits": ("seed: 0", 'quantization: {average_bits: "3"}', "quantization.average_bits", "'3'", "number"),
    "true as bits": ("seed: 0", "quantization: {average_bits: true}", "quantization.average_bits", "True", "number"),
    "no such width": ("seed: 0", "quantization: {average_bits: 5}", "average_bits", "5", "from 1 to 4"),
    "no such format": (
        "seed: 0",
        "quantization: {expert_format: int7}",
        "quantization.expert_format",
        "'int7'",
        "int8",
    ),
    "format zero": ("seed: 0", "quantization: {dense_format: 0}", "quantization.dense_format", "0", "text"),
    "allocator": ("seed: 0", "quantization: {allocation: prefx}", "quantization.allocation", "'prefx'", "'prefix'?"),
    "loss source": (
        "seed: 0",
        "quantization: {losses: syntetic}",
        "quantization.losses",
        "syntetic",
        "'synthetic', or",
    ),
    "assumption near miss": (
        "seed: 0",
        'assumptions: {cxl-link-rat: "32 GB/s"}',
        "assumptions.cxl-link-rat",
        "cxl-link-rat",
        "'cxl-link-rate'?",
    ),
    "assumption out of range": (
        "seed: 0",
        'assumptions: {cxl-link-rate: "3 GB/s"}',
        "assumptions.cxl-link-rate",
        "'3 GB/s'",
        "25.9 GB/s and 64",
    ),
    "assumption's unit": (
        "seed: 0",
        'assumptions: {cxl-link-rate: "64 GBps"}',
        "assumptions.cxl-link-rate",
        "'64 GBps'",
        "'64 GB/s'",
    ),
    "assumption without unit": (
        "seed: 0",
        "assumptions: {cxl-link-rate: 64}",
        "assumptions.cxl-link-rate",
        "64",
        "a rate such as '64 GB/s'",
    ),
    "assumption of true": (
        "seed: 0",
        "assumptions: {cxl-link-efficiency: true}",
        "assumptions.cxl-link-efficiency",
        "True",
        "number",
    ),
    "assumption's word": (
        "seed: 0",
        "assumptions: {ndp-bit-scaling: lineer}",
        "assumptions.ndp-bit-scaling",
        "'lineer'",
        "linear, none",
    ),
    "list of assumptions": ("seed: 0", "assumptions: [a]", "assumptions", "['a']", "a mapping"),
}


@pytest.mark.parametrize(("old", "new", "field", "found", "allowed"), FIELDS.values(), ids=FIELDS)
def test_a_wrong_field(tiny: Tiny, old: str, new: str, field: str, found: str, allowed: str) -> None:
    tiny.write(("name: tiny\n", "name: tiny\nseed: 0\n"), (old, new))
    _says(_refused(tiny), tiny.path, field, found, allowed)


def test_the_limit_of_size_lets_published_settings_through(tiny: Tiny) -> None:
    """DeepSeek-V3 with 16 sequences of 2048 tokens is large, and well inside the limit of memory."""
    from sim.limits import check_size
    from workloads.models.find import find_model
    from workloads.workload import Workload

    check_size(find_model("deepseek-v3"), Workload(16, 512, 2048), "test")
    assert MOST_BYTES == 64e9


# -- YAML -------------------------------------------------------------------------------------------

_ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
TEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "found NoneType"),
    "list": (b"[1, 2]", "found list"),
    "scalar": (b"hello", "found str"),
    "binary": (bytes(range(256)), "found UnicodeDecodeError"),
    "Latin-1": ("name: café".encode("latin-1"), "found UnicodeDecodeError"),
    "NUL": (b'name: "a\\0b"', r"name: found 'a\x00b'"),
    "python tag": (b"name: !!python/object/apply:os.system ['touch pwned']", "python/object/apply:os.system"),
    "python tag at the top": (b"!!python/object/apply:os.system ['touch pwned']", "python/object/apply:os.system"),
    "python name": (b"name: !!python/name:os.system", "python/name:os.system"),
    "duplicate key": (b"name: a\nname: b\n", "key 'name' twice"),
    "key that is a list": (b"? [1, 2]\n: 3\n", "a key that is a collection"),
    "key that is a number": (b"5: 5\n", "found 5; allowed: text keys"),
    "merge key": (b"name: a\n<<: {seed: 1}\n", "allowed: plain YAML"),
    "billion laughs": (b"a0: &a0 [x, x]\n" + _ALIASES.encode(), "aliases of aliases"),
    "list in itself": (b"a: &a [*a]\n", "recursive"),
    "deep list": (b"a: " + 5000 * b"[", "allowed: plain YAML"),
    "NaN": (b"name: .nan", "name: found nan; allowed: a finite number"),
    "infinity": (b"workload: {batch: -.inf}", "workload.batch: found -inf"),
    "date": (b"name: 2020-01-01", "name: found date; allowed: text (in quotes)"),
    "no such date": (b"name: 2020-13-45", "month must be in 1..12"),
    "endless number": (b"seed: " + 5000 * b"9", "5000 digits"),
    "unclosed": (b"name: [a", "line 1"),
    "tabs": (b"name: a\n\tb: c", "line 2"),
}


@pytest.mark.parametrize(("text", "said"), TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_plain_yaml(tiny: Tiny, text: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.folder)
    tiny.path.write_bytes(text)
    line = _refused(tiny)
    assert line.startswith(f"{tiny.path}: ")
    assert said in line


@pytest.mark.parametrize("place", ["nothing.yaml", ".", "", "a" * 5000, "monde-mixtral-8x7"])
def test_what_is_no_experiment(tiny: Tiny, place: str) -> None:
    found = cli("run", tiny.folder / place if place in ("nothing.yaml", ".") else place)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert "an experiment file, or one of " in found.stderr
    assert ("did you mean 'monde-mixtral-8x7b'?" in found.stderr) == (place == "monde-mixtral-8x7")


# -- settings on the command line ---------------------------------------------------------------------

SETTINGS = {
    "batch": ("--set: path=value: found 'batch'", "such as workload.batch=4"),
    "=4": ("--set: path=value: found '=4'", "such as workload.batch=4"),
    "workload.bach=4": ("workload.bach: found an unknown field", "did you mean 'batch'?"),
    "name.x=4": ("name.x: found a path through a value", "a path through mappings"),
    "workload.batch.x.y=4": ("workload.batch.x.y: found a path through a value", "a path through mappings"),
    "workload.batch=[1, 2]": ("workload.batch: found [1, 2]", "integer"),
    "workload.batch={a: 1}": ("workload.batch: found {'a': 1}", "integer"),
    "workload.batch=[1,": ("--set workload.batch: file: found line 1", "plain YAML"),
    "workload.batch=1\nseed: 3": ("--set: workload.batch: found", "one value"),
    "workload.batch=!!python/name:os.system": ("--set workload.batch: file: found line 1", "plain YAML"),
    "workload.batch=.nan": ("--set workload.batch: value: found nan", "finite"),
    "workload={batch: 1}": ("workload.prompt_tokens: found nothing", "required"),
    "workload..batch=4": ("workload.: found an unknown field", "batch"),
    "machine.set.=4": ("machine.set: found ''", "names joined by dots"),
    "machine.set.devices.npd.count=4": ("machine.set.devices.npd: found 'npd'", "did you mean 'ndp'?"),
    "machine.set.devices.ndp.count=0": ("machine.set.devices.ndp.count: found 0", "at least 1"),
    "machine.set.devices.ndp.count=100000": ("machine.set.devices.ndp.count: found 100000", "at most 1024"),
    "machine.set.links.gpu-cxl.peak=64 GBps": ("machine.set.links.gpu-cxl.peak: found '64 GBps'", "'64 GB/s'"),
    "machine.set.links.gpu-cxl.peak=64": ("machine.set.links.gpu-cxl.peak: found 64", "a rate such as '64 GB/s'"),
    "machine.set.links.gpu-cxl.peak=0 GB/s": ("machine.set.links.gpu-cxl.peak: found '0 GB/s'", "more than zero"),
    "machine.set.links.gpu-cxl.peak.x=1": ("machine.set.links.gpu-cxl.peak.x: found an unknown field", "value"),
    "machine.set.links.gpu-cxl.latency=1e300 s": ("machine.set.links.gpu-cxl.latency: found '1e300 s'", "150 ns"),
    "machine.set.devices.ndp.memories.dram.peak=unlimited": (
        "machine.set.devices.ndp.memories.dram.peak: found unlimited",
        "a limit",
    ),
    "machine.set.devices.ndp.memories.dram.capacity=1e30 TB": (
        "machine.set.devices.ndp.memories.dram.capacity: found",
        "at most 1 PB",
    ),
    "machine.set.devices.ndp.memories.dram.channels=1000000000000000000000": (
        "machine.set.devices.ndp.memories.dram.channels: found",
        "at most 65536",
    ),
    "machine.set.devices=1": ("machine.set.devices: found 1", "a mapping of fields"),
    "machine=/nowhere.yaml": ("machine.use: found '/nowhere.yaml'", "an existing machine description"),
    f"machine={'a' * 5000}": ("machine.use: found 'aaa", "one of "),
    f"model={'a' * 5000}": ("model: found 'aaa", "one of "),
    "model=~nobody-of-that-name/config.json": ("file: found FileNotFoundError", "JSON file"),
    "routing.file=x": ("routing.file: found an unknown option", "domain, preset, source"),
}


@pytest.mark.parametrize(("text", "said"), SETTINGS.items(), ids=[text[:40] for text in SETTINGS])
def test_a_wrong_setting(tiny: Tiny, text: str, said: tuple[str, str]) -> None:
    line = _refused(tiny, "--set", text)
    found, allowed = line.split("; allowed: ")
    assert said[0] in found
    assert said[1] in allowed


# -- what fits nowhere --------------------------------------------------------------------------------

TOO_LARGE = {
    "experts in their home": (("workload.output_tokens=2", "model=kimi-k2"), "experts (fp16) in ndp.dram", "512 GB"),
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
    line = _refused(tiny, *(part for change in changes for part in ("--set", change)))
    assert line.startswith(f"{tiny.path}: ")
    assert field in line.split(": found ")[0]
    assert allowed in line


@pytest.mark.parametrize("policy", ["cxl-ndp", "monde"])
def test_a_near_data_policy_needs_an_ndp(tiny: Tiny, policy: str) -> None:
    line = _refused(tiny, "--set", f"policy={policy}", "--set", "machine=h100-host")
    _says(line, tiny.path, "machine", "'h100-host'", f"a machine with an NDP unit (policy {policy})")


def test_an_encoder_decoder_model_is_refused(tiny: Tiny) -> None:
    _says(_refused(tiny, "--set", "model=switch-base-8"), tiny.path, "model", "'switch-base-8'", "decoder-only")


# -- models -------------------------------------------------------------------------------------------

MODELS = {
    "layers without number": ({"num_hidden_layers": 2**31 - 1}, "num_hidden_layers: found 2147483647"),
    "experts beyond the tags": ({"num_local_experts": 40000}, "num_local_experts: found 40000"),
    "sizes beyond int64": ({"hidden_size": 2**30, "intermediate_size": 2**30}, "sizes: found"),
    "more chosen than there are": ({"num_experts_per_tok": 9}, "top_k: found 9"),
    "negative": ({"hidden_size": -4}, "hidden_size: found -4"),
    "not a number": ({"hidden_size": float("nan")}, "hidden_size: found nan"),
    "another architecture": ({"model_type": "llama"}, "model_type: found 'llama'"),
}


@pytest.mark.parametrize(("changes", "said"), MODELS.values(), ids=MODELS)
def test_a_model_that_cannot_be(tiny: Tiny, changes: dict[str, object], said: str) -> None:
    path = tiny.write_model(**changes)
    assert MODEL.keys() >= changes.keys()
    assert f"{path}: {said}" in _refused(tiny)


# -- machines -----------------------------------------------------------------------------------------

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
    "dot in a name": ("  ndp: {", "  n.d: {", "devices.n.d: found a dot"),
    "another kind": ("kind: machine", "kind: device", "kind: found 'device'"),
    "device is nothing": ("{device: cxl-ndp}", "", "devices.ndp: found None"),
}


@pytest.mark.parametrize(("old", "new", "said"), MACHINES.values(), ids=MACHINES)
def test_a_machine_that_cannot_be(tiny: Tiny, old: str, new: str, said: str) -> None:
    assert old in MACHINE
    (tiny.folder / "machine.yaml").write_text(MACHINE.replace(old, new, 1))
    tiny.write(("{use: h100-cxl-ndp}", "./machine.yaml"))
    line = _refused(tiny)
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
    from hw_models import catalog

    text = catalog.find("h100-sxm", "device").read_text()
    assert old in text
    (tiny.folder / "gpu.yaml").write_text(text.replace(old, new, 1))
    (tiny.folder / "machine.yaml").write_text(MACHINE.replace("h100-sxm", "./gpu.yaml"))
    tiny.write(("{use: h100-cxl-ndp}", "./machine.yaml"))
    assert said in _refused(tiny)


# -- traces and loss tables ----------------------------------------------------------------------------

Spoil = Callable[[Tiny, Path], object]


def _arrays(**arrays: object) -> Spoil:
    """A file of plain arrays: four tokens unless told otherwise."""
    whole = {"experts": np.tile(np.array([0, 1], np.uint16), (4, 2, 1)), "offsets": np.array([0, 4])}
    left = {name: value for name, value in {**whole, **arrays}.items() if value is not None}
    return lambda tiny, path: np.savez(path, **left)


def _cut(share: float) -> Spoil:
    def spoil(tiny: Tiny, path: Path) -> None:
        whole = tiny.write_trace(path.name).read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return spoil


def _flip(tiny: Tiny, path: Path) -> None:
    """One byte of the experts' numbers, which the archive has a checksum of."""
    whole = bytearray(tiny.write_trace(path.name).read_bytes())
    whole[whole.index(b"experts.npy") + 60] ^= 0xFF
    path.write_bytes(whole)


TRACES: dict[str, tuple[Spoil, str]] = {
    "missing": (lambda tiny, path: None, "found FileNotFoundError"),
    "folder": (lambda tiny, path: path.mkdir(), "found IsADirectoryError"),
    "empty": (lambda tiny, path: path.write_bytes(b""), "an empty file"),
    "blank lines": (lambda tiny, path: path.write_text("\n\n"), "at its start"),
    "cut early": (_cut(0.05), "file: found"),
    "cut late": (_cut(0.95), "file: found"),
    "a byte turned": (_flip, "found"),
    "pickle": (lambda tiny, path: path.write_bytes(pickle.dumps([1])), "at its start"),
    "pickled array": (_arrays(experts=np.array([{"a": 1}], dtype=object)), "allow_pickle"),
    "other layers": (lambda tiny, path: tiny.write_trace(path.name, layers=3), "layers: found 3; allowed: 2"),
    "other experts": (
        lambda tiny, path: tiny.write_trace(path.name, experts=8),
        "experts: found 8; allowed: 4",
    ),
    "other top-k": (lambda tiny, path: tiny.write_trace(path.name, k=3), "per token: found 3; allowed: 2"),
    "no tokens": (_arrays(experts=np.zeros((0, 2, 2), np.uint16)), "at least one token"),
    "negative ids": (_arrays(experts=np.full((4, 2, 2), -1)), "ids from 0"),
    "an expert twice": (_arrays(experts=np.zeros((4, 2, 2), np.uint16)), "an expert twice"),
    "NaN": (_arrays(weights=np.full((4, 2, 2), np.nan, np.float32)), "weights: found NaN"),
    "weights of another shape": (_arrays(weights=np.ones((4, 2, 1), np.float32)), "weights: found shape"),
    "documents past the end": (_arrays(offsets=np.array([0, 9])), "offsets: found"),
    "no documents": (_arrays(offsets=None), "offsets: found no such array"),
    "other arrays": (_arrays(experts=None, offsets=None, x=np.ones(3)), "arrays: found x"),
}


@pytest.mark.parametrize(("spoil", "said"), TRACES.values(), ids=TRACES)
def test_a_trace_that_is_not_whole_or_not_the_model_s(tiny: Tiny, spoil: Spoil, said: str) -> None:
    path = tiny.folder / "trace.npz"
    spoil(tiny, path)
    tiny.write((ROUTING, "{source: trace, file: trace.npz}"))
    line = _refused(tiny)
    assert line.startswith(f"{path}: ")
    assert said in line


def test_options_of_a_trace(tiny: Tiny) -> None:
    tiny.write_trace()
    for options, field in (("", "file"), (", file: 3", "file"), (", file: trace.npz, format: npz", "format")):
        tiny.write((ROUTING, f"{{source: trace{options}}}"))
        assert _refused(tiny).startswith(f"{tiny.path}: routing.{field}: found ")


def _losses(**changes: object) -> Spoil:
    whole = {"bits": np.array([1, 2, 3, 4]), "loss": np.tile(np.array([4.0, 3, 2, 1]), (2, 4, 1))}
    return lambda tiny, path: np.savez(path, **{**whole, **changes})


def _wrong(value: float) -> np.ndarray:
    loss = np.tile(np.array([4.0, 3, 2, 1]), (2, 4, 1))
    loss[1, 2, 3] = value
    return loss


LOSSES: dict[str, tuple[Spoil, str]] = {
    "cut": (
        lambda tiny, path: (_losses()(tiny, path), path.write_bytes(path.read_bytes()[:-40])),
        "BadZipFile",
    ),
    "empty": (lambda tiny, path: path.write_bytes(b""), "EOFError"),
    "pickled": (_losses(bits=np.array([None])), "allow_pickle"),
    "NaN": (_losses(loss=_wrong(np.nan)), "loss of layer 1, expert 2, 4 bits: found nan"),
    "negative": (_losses(loss=_wrong(-1)), "loss of layer 1, expert 2, 4 bits: found -1.0"),
    "rising": (_losses(loss=_wrong(9)), "loss of layer 1, expert 2, 4 bits: found 9.0"),
    "of another model": (_losses(loss=np.ones((1, 4, 4))), "found 1 layers of 4 experts"),
}


@pytest.mark.parametrize(("spoil", "said"), LOSSES.values(), ids=LOSSES)
def test_a_loss_table_that_cannot_be(tiny: Tiny, spoil: Spoil, said: str) -> None:
    path = tiny.folder / "losses.npz"
    spoil(tiny, path)
    tiny.write(("policy:", "quantization: {average_bits: 3, losses: losses.npz}\npolicy:"))
    line = _refused(tiny)
    assert line.startswith(f"{path}: ")
    assert said in line


def test_a_loss_table_without_a_width_is_refused(tiny: Tiny) -> None:
    _losses(bits=np.array([1, 2, 3, 5]))(tiny, tiny.folder / "losses.npz")
    tiny.write(("policy:", "quantization: {average_bits: 3, losses: losses.npz}\npolicy:"))
    assert "a table that has 1, 2, 3, 4 bits" in _refused(tiny)


def test_the_experiment_that_the_others_are_broken_copies_of(tiny: Tiny) -> None:
    tiny.write_trace()
    _losses()(tiny, tiny.folder / "losses.npz")
    tiny.write(
        (ROUTING, "{source: trace, file: trace.npz}"),
        ("policy:", "quantization: {average_bits: 3, losses: losses.npz}\npolicy:"),
    )
    assert cli("run", tiny.path).exit_code == 0
    assert "tiny" in EXPERIMENT
