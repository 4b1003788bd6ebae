"""Every byte of a plan is in the program once, and so is every byte of the dense part."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import CONTENTS, COPY, KINDS, PURPOSES, READ, STREAM, WRITE, Program

POLICIES = {
    "on-demand": {},
    "lru": {"cache_experts": 2, "speculative": True},
    "belady": {"cache_experts": 2},
    "monde": {},
    "hobbit": {"t1": 0.4, "t2": 0.7},
    "cxl-ndp": {"gpu_experts": 2},
}
MODELS = ("mixtral-8x7b", "deepseek-v2-lite", "gpt-oss-20b")


class Lowered:
    """A plan, its program, and the program's rows by purpose."""

    def __init__(
        self,
        model: str,
        policy: str,
        batch: int = 2,
        prompt: int = 6,
        output: int = 4,
        machine: str = "h100-cxl-ndp-4",
        dense_format: str = "fp16",
    ) -> None:
        experiment = Experiment(
            name="lowering",
            machine={"use": machine},
            model=model,
            routing={"source": "generator", "preset": model},
            workload={"batch": batch, "prompt_tokens": prompt, "output_tokens": output},
            quantization={"average_bits": 2.5, "dense_format": dense_format},
            policy={"name": policy, **POLICIES[policy]},
        )
        self.batch, self.prompt, self.steps = batch, prompt, output
        self.prepared = prepare(experiment)
        self.scenario, self.plan = self.prepared.scenario, self.prepared.plan
        self.program: Program = self.prepared.program
        self.model, self.layout = self.scenario.model, self.scenario.layout
        self.tags = self.program.tags[self.program.events["tag"]]

    def rows(self, purpose: str, kind: int) -> NDArray[np.int64]:
        wanted = (self.tags["purpose"] == PURPOSES.index(purpose)) & (self.program.events["kind"] == kind)
        return np.flatnonzero(wanted)

    def bytes_of(self, row: int, what: str, op: int) -> int:
        event = self.program.events[row]
        accesses = self.program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]
        return int(accesses["bytes"][(accesses["what"] == CONTENTS.index(what)) & (accesses["op"] == op)].sum())

    def total(self, purpose: str, kind: int, what: str, op: int) -> int:
        return sum(self.bytes_of(row, what, op) for row in self.rows(purpose, kind))

    def cells(self, purpose: str, kind: int = STREAM) -> Counter[tuple[int, int]]:
        rows = self.rows(purpose, kind)
        return Counter(zip(self.tags["step"][rows].tolist(), self.tags["layer"][rows].tolist(), strict=True))

    def tokens(self, step: int) -> int:
        return self.batch * (self.prompt if step == 0 else 1)

    def expert_bytes(self, format_index: NDArray[np.int32]) -> int:
        each = np.array([weight_format.expert_bytes(self.model.expert) for weight_format in self.plan.formats])
        return int(each[format_index].sum())


@pytest.fixture(params=[(model, policy) for model in MODELS[:2] for policy in POLICIES], scope="module")
def lowered(request: pytest.FixtureRequest) -> Lowered:
    return Lowered(*request.param)


def test_expert_kernels_read_the_weights_of_their_runs(lowered: Lowered) -> None:
    assert lowered.total("expert", STREAM, "weights", READ) == lowered.expert_bytes(lowered.plan.runs["format"])
    assert lowered.total("expert", STREAM, "weights", WRITE) == 0
    runs = Counter(zip(*(lowered.plan.runs[name].tolist() for name in ("step", "expert", "tokens")), strict=True))
    tags = lowered.tags[lowered.rows("expert", STREAM)]
    assert Counter(zip(*(tags[name].tolist() for name in ("step", "expert", "tokens")), strict=True)) == runs


def test_copies_carry_what_the_moves_say(lowered: Lowered) -> None:
    size = lowered.expert_bytes(lowered.plan.moves["format"])
    assert lowered.total("move weights", COPY, "weights", READ) == size
    assert lowered.total("move weights", COPY, "weights", WRITE) == size
    lanes = lowered.program.events["lane"][lowered.rows("move weights", COPY)]
    ahead = lowered.program.lanes.index(("gpu.dma", "prefetch"))
    assert (lanes == ahead).sum() == lowered.plan.moves["prefetch"].sum()


def test_rows_go_to_every_device_that_computes_and_come_back(lowered: Lowered) -> None:
    asked: dict[tuple[int, int, int], int] = defaultdict(int)
    gpu = lowered.plan.units.index("gpu.sm")
    for run in lowered.plan.runs[lowered.plan.runs["unit"] != gpu]:
        asked[int(run["step"]), int(run["layer"]), int(run["unit"])] += int(run["tokens"])
    row_bytes = 2 * lowered.model.hidden
    # a token that visits several experts of a device is sent once; which tokens do is not known
    sent = sum(min(tokens, lowered.tokens(step)) * row_bytes for (step, _, _), tokens in asked.items())
    assert len(lowered.rows("dispatch", COPY)) == 2 * len(asked)
    assert lowered.total("dispatch", COPY, "activations", READ) == 2 * sent
    assert lowered.total("dispatch", COPY, "activations", WRITE) == 2 * sent


def test_expert_kernels_read_and_write_a_row_per_token(lowered: Lowered) -> None:
    size = int(lowered.plan.runs["tokens"].sum()) * 2 * lowered.model.hidden
    assert lowered.total("expert", STREAM, "activations", READ) == size
    assert lowered.total("expert", STREAM, "activations", WRITE) == size


def test_every_layer_of_every_step_has_its_dense_part_once(lowered: Lowered) -> None:
    model, steps = lowered.model, range(lowered.steps)
    every = {(step, layer) for step in steps for layer in range(model.layers)}
    sparse = {(step, layer) for step in steps for layer in model.moe_layers}
    assert lowered.cells("attention") == dict.fromkeys(every, 1)
    assert lowered.cells("host", KINDS.index("compute")) == dict.fromkeys(every, 1)
    assert lowered.cells("gate") == lowered.cells("combine") == dict.fromkeys(sparse, 1)
    assert lowered.cells("dense ffn") == dict.fromkeys(every - sparse, 1)
    assert lowered.cells("shared expert") == dict.fromkeys(sparse if model.shared_intermediate else set(), 1)
    assert lowered.cells("embedding") == {(step, -1): 1 for step in steps}
    assert lowered.cells("head") == {(step, model.layers): 1 for step in steps}


def test_dense_weights_are_read_once_per_layer_and_step(lowered: Lowered) -> None:
    model, steps, sparse = lowered.model, lowered.steps, len(lowered.model.moe_layers)
    projections = model.attention.projection_weights(model.hidden)
    per_step = {
        "attention": model.layers * projections,
        "gate": sparse * model.hidden * model.routed_experts,
        "shared expert": sparse * model.expert.matrices * model.hidden * model.shared_intermediate,
        "dense ffn": (model.layers - sparse) * model.expert.matrices * model.hidden * model.dense_intermediate,
        "head": model.vocab * model.hidden,
    }
    for purpose, weights in per_step.items():
        assert lowered.total(purpose, STREAM, "weights", READ) == 2 * weights * steps, purpose
    tokens = sum(lowered.tokens(step) for step in range(steps))
    assert lowered.total("embedding", STREAM, "weights", READ) == 2 * model.hidden * tokens
    assert lowered.total("combine", STREAM, "activations", READ) == (
        sparse * model.top_k * lowered.total("embedding", STREAM, "weights", READ)
    )


def test_kernel_times_are_the_unit_models(lowered: Lowered) -> None:
    """What is at hand together is one kernel, and each expert that had to arrive another."""
    units, formats = lowered.scenario.machine.units, lowered.plan.formats
    kernels: dict[tuple[str, int, int, int], list[tuple[int, int]]] = defaultdict(list)
    used = set()
    for run in lowered.plan.runs:
        arrived = int(run["move"]) if run["move"] >= 0 and int(run["move"]) not in used else -1
        used.add(arrived)
        kernel = lowered.plan.units[run["unit"]], int(run["step"]), int(run["layer"]), arrived
        kernels[kernel].append((int(run["tokens"]), int(run["format"])))
    busy: dict[str, int] = defaultdict(int)
    for (unit, *_), experts in kernels.items():
        model = units[unit].model
        assert model is not None
        tokens, index = np.array(experts).T
        busy[unit] += int(model.experts_ps(tokens, np.zeros_like(tokens), lowered.model.expert, formats, index).sum())
    rows = lowered.rows("expert", STREAM)
    events = lowered.program.events[rows]
    for unit, total in busy.items():
        mine = events[[lowered.program.lanes[lane][0] == unit for lane in events["lane"]]]
        assert int(mine["busy_ps"].sum()) == total
        launches = sum(name == unit for name, *_ in kernels)
        assert int(mine["setup_ps"].sum()) == launches * units[unit].model.expert_launch_ps  # type: ignore[union-attr]


def test_every_access_lies_in_one_region_of_its_kind(lowered: Lowered) -> None:
    regions = sorted(lowered.scenario.addresses.regions, key=lambda region: region.address)
    accesses = lowered.program.accesses
    starts = np.array([region.address for region in regions])
    index = np.searchsorted(starts, accesses["address"].astype(np.int64), side="right") - 1
    assert index.min() >= 0
    ends = np.array([region.address + region.size_bytes for region in regions])[index]
    assert (accesses["address"].astype(np.int64) + accesses["bytes"].astype(np.int64) <= ends).all()
    kinds = {"KV cache": "kv", "activations": "activations"}
    expected = np.array([CONTENTS.index(kinds.get(region.name, "weights")) for region in regions])[index]
    assert (accesses["what"] == expected).all()


def test_the_gpu_goes_through_a_layer_in_order(lowered: Lowered) -> None:
    lane = lowered.program.lanes.index(("gpu.sm", "main"))
    mine = lowered.program.events["lane"] == lane
    order = ("embedding", "host", "attention", "dense ffn", "gate", "shared expert", "expert", "combine", "head")
    rank = {PURPOSES.index(name): index for index, name in enumerate(order)}
    kernels = mine & ~np.isin(lowered.tags["purpose"], [PURPOSES.index(name) for name in ("synchronise", "hook")])
    tags = lowered.tags[kernels]
    keys = list(
        zip(
            tags["step"].tolist(),
            tags["layer"].tolist(),
            [rank[purpose] for purpose in tags["purpose"].tolist()],
            strict=True,
        )
    )
    assert keys == sorted(keys)


def test_phase_and_tokens_follow_the_step(lowered: Lowered) -> None:
    assert (lowered.tags["phase"] == (lowered.tags["step"] > 0)).all()
    for purpose in ("attention", "gate", "combine"):
        tags = lowered.tags[lowered.rows(purpose, STREAM)]
        assert tags["tokens"].tolist() == [lowered.tokens(step) for step in tags["step"]]
    heads = lowered.tags[lowered.rows("head", STREAM)]
    assert (heads["tokens"] == lowered.batch).all()


def test_the_program_is_valid(lowered: Lowered) -> None:
    lowered.program.validate()
    assert lowered.program.lanes == lowered.scenario.machine.lanes


# -- keys and values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "kv_bytes", "window"),
    [
        ("mixtral-8x7b", 2 * 8 * 128 * 2, None),  # keys and values of 8 heads of 128
        ("deepseek-v2-lite", (512 + 64) * 2, None),  # one latent vector and one rotary key
        ("gpt-oss-20b", 2 * 8 * 64 * 2, 128),  # every other layer sees 128 tokens
    ],
)
@pytest.mark.parametrize(("prompt", "output", "batch"), [(6, 5, 1), (126, 6, 2), (200, 3, 1)])
def test_keys_and_values(model: str, kv_bytes: int, window: int | None, prompt: int, output: int, batch: int) -> None:
    found = Lowered(model, "monde", batch=batch, prompt=prompt, output=output, machine="h100-cxl-ndp")
    for row in found.rows("attention", STREAM):
        step, layer = int(found.tags["step"][row]), int(found.tags["layer"][row])
        slides = window is not None and layer % 2 == 0  # its pattern is sliding, full, ...
        kept = min(window, prompt + output) if slides and window else prompt + output
        new = min(prompt, kept) if step == 0 else 1
        assert found.bytes_of(row, "kv", WRITE) == batch * new * kv_bytes
        before = prompt + step - 1  # tokens whose keys and values are kept when this one comes
        seen = 0 if step == 0 else min(before, window - 1) if slides and window else before
        assert found.bytes_of(row, "kv", READ) == batch * seen * kv_bytes
        # what is appended follows what is there; in a window it takes the place of what nobody looks back on
        appended = found.program.accesses[found.program.events["first_access"][row] + 2]
        place = 0 if step == 0 else before % kept
        assert int(appended["address"]) == int(found.layout.kv[layer]) + batch * place * kv_bytes


def test_layers_that_slide_keep_no_more_than_their_window() -> None:
    found = Lowered("gpt-oss-20b", "monde", batch=1, prompt=4096, output=3, machine="h100-cxl-ndp")
    apart = np.diff(found.layout.kv)  # sliding, full, ...
    assert (apart[0::2] < 10**6).all()
    assert (apart[1::2] >= 4096 * 2 * 8 * 64 * 2).all()


def test_quantized_dense_weights_are_smaller() -> None:
    full, small = (Lowered("mixtral-8x7b", "monde", dense_format=name) for name in ("fp16", "fp8"))
    assert full.total("attention", STREAM, "weights", READ) == 2 * small.total("attention", STREAM, "weights", READ)
    assert full.total("attention", STREAM, "kv", READ) == small.total("attention", STREAM, "kv", READ)


def test_activations_that_a_hosts_cache_has_no_room_for_are_refused() -> None:
    """65 536 rows of 10 KB each; the cache has 105 MB."""
    settings = {"policy.prefill_gpu_threshold": None, "workload.batch": 1024, "workload.output_tokens": 1}
    with pytest.raises(InputError, match=r"workload: found .* of activations at once for host\.llc; allowed: at most"):
        _ = prepare(load_experiment("ktransformers-deepseek-v2", settings)).program
