"""A wrong field of an experiment is one line that names it, what was found and what is allowed; exit code 2."""

from __future__ import annotations

import pytest

from moe_cosim.experiment import Workload
from moe_cosim.workloads import limits
from moe_cosim.workloads.limits import check_size
from moe_cosim.workloads.models.find import find_model
from tests.sim.tiny import Tiny, refused, says

ROUTING = "{source: generator, preset: mixtral-8x7b}"
POLICY = "{name: cxl-ndp, gpu_experts: 1}"


FIELDS: dict[str, tuple[str, str, str, str, str]] = {
    # name: (text, its replacement, field, found, allowed)
    "unknown field": ("seed", "sead", "sead", "an unknown field", "(did you mean 'seed'?)"),
    "unknown field in a part": ("{batch: 1,", "{bach: 1,", "workload.bach", "an unknown field", "one of batch, "),
    "misspelt part": ("policy:", "polcy:", "polcy", "an unknown field", "did you mean 'policy'?"),
    "missing part": (f"policy: {POLICY}\n", "", "policy", "nothing", "the field is required"),
    "no name": ("name: tiny", 'name: ""', "name", "''", "one line of printable text"),
    "number as name": ("name: tiny", "name: 5", "name", "5", "text"),
    "base 60": ("seed: 0", "seed: 1:40", "seed", "'1:40'", "a whole number"),
    "list as machine": ("{use: h100-cxl-ndp}", "[1]", "machine", "[1]", ""),
    "null machine": ("{use: h100-cxl-ndp}", "", "machine", "nothing", ""),
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
    "number as preset": ("mixtral-8x7b}", "7}", "routing.preset", "7", "a preset"),
    "routing option": ("mixtral-8x7b}", "mixtral-8x7b, domian: 1}", "routing.domian", "unknown", "mean 'domain'?"),
    "routing option's range": ("mixtral-8x7b}", "mixtral-8x7b, domain: 99}", "routing.domain", "99", "0 to "),
    "text as batch": ("{batch: 1,", '{batch: "1",', "workload.batch", "'1'", "whole number"),
    "no batch at all": ("{batch: 1,", "{batch: 0,", "workload.batch", "0", "1"),
    "fraction of a token": ("output_tokens: 3", "output_tokens: 1.5", "workload.output_tokens", "1.5", "whole number"),
    "whole float": ("output_tokens: 3", "output_tokens: 3.0", "workload.output_tokens", "3.0", "whole number"),
    "no output": ("output_tokens: 3", "output_tokens: 0", "workload.output_tokens", "0", "1"),
    "negative output": ("output_tokens: 3", "output_tokens: -1", "workload.output_tokens", "-1", "1"),
    "true output": ("output_tokens: 3", "output_tokens: true", "workload.output_tokens", "True", "whole number"),
    "trillion outputs": (
        "output_tokens: 3",
        "output_tokens: 1000000000000",
        "workload.output_tokens",
        "10",
        "2147483647",
    ),
    "billion outputs": (
        "output_tokens: 3",
        "output_tokens: 1000000000",
        "workload",
        "choices",
        "64 GB of memory",
    ),
    "billion sequences": (
        "{batch: 1,",
        "{batch: 2000000000,",
        "workload",
        "choices",
        "64 GB of memory",
    ),
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
    "policy option": ("gpu_experts: 1", "gpu_expert: 1", "policy.gpu_expert", "unknown", "mean 'gpu_experts'?"),
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
def test_a_wrong_field(
    tiny: Tiny, old: str, new: str, field: str, found: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "memory_bytes", lambda: 64e9)
    tiny.write(("name: tiny\n", "name: tiny\nseed: 0\n"), (old, new))
    says(refused(tiny), tiny.path, field, found, allowed)


def test_the_limit_of_size_lets_published_settings_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSeek-V3 with 16 sequences of 2048 tokens on a small computer; its events need not be there at once."""
    monkeypatch.setattr(limits, "memory_bytes", lambda: 4e9)
    check_size(find_model("deepseek-v3"), Workload(batch=16, prompt_tokens=512, output_tokens=2048), "test")
    check_size(find_model("mixtral-8x22b"), Workload(batch=1, prompt_tokens=128, output_tokens=120_000), "test")
