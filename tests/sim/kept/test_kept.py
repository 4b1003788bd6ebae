"""What is read from a run's folder, against what its result says and against loops over its events."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.kept.durations import APART, kernel_seconds, step_seconds
from moe_cosim.sim.kept.experts import QUANTITIES, expert_table
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.kept.kernels import kernel_classes, roofs
from moe_cosim.sim.run import run
from moe_cosim.workloads.programs.program import KINDS
from tests.sim.tiny import EXPERIMENT, MODEL, Tiny

TEAMS = {"machine.use": "rtx5080-dimm-ndp-2", "policy": {"name": "edge-ndp"}}


@pytest.fixture(scope="module", params=[{}, TEAMS], ids=["cxl-ndp", "teams"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeptRun:
    tiny = Tiny(tmp_path_factory.mktemp("kept"))
    tiny.path.write_text(EXPERIMENT)
    tiny.write_model(**MODEL)
    run(tiny.path, {"workload.batch": 3, "workload.output_tokens": 6, **request.param}, tiny.folder / "out")
    return KeptRun.of(tiny.folder / "out")


def test_kernel_classes_sum_to_the_run(kept: KeptRun) -> None:
    classes = kernel_classes(kept)
    energy = kept.result.energy
    assert energy is not None
    assert sum(each.operations for each in classes) == energy.operations
    assert {each.purpose for each in classes} >= {"expert", "attention", "head"}
    assert {each.bits > 0 for each in classes if each.purpose == "expert"} == {True}


def test_no_kernel_is_above_its_roof(kept: KeptRun) -> None:
    roof = {each.unit: each for each in roofs(kept)}
    for each in kernel_classes(kept):
        assert 0 < each.op_per_s <= 1.001 * roof[each.unit].at(each.intensity_op_per_byte)
    assert roof["gpu.sm"].bytes_per_s == kept.machine.memories[kept.machine.main_unit.local_memory].peak_bytes_per_s


def test_steps_sum_to_the_time_after_the_first_token(kept: KeptRun) -> None:
    steps = step_seconds(kept)
    assert len(steps) == kept.result.decode_steps == 5
    frame = kept.timeline.to_frame()
    heads = frame[frame["purpose"] == "head"].groupby("step")["end_ps"].max()
    assert steps.tolist() == pytest.approx([(heads[step + 1] - heads[step]) / 1e12 for step in range(5)])
    assert heads[0] / 1e12 == pytest.approx(kept.result.time_to_first_token_s)
    assert 0.99 * kept.result.decode_s < steps.sum() <= 1.000001 * kept.result.decode_s


@pytest.mark.parametrize("apart", APART)
def test_kernels_are_those_of_a_loop_over_the_events(kept: KeptRun, apart: str) -> None:
    frame = kept.timeline.to_frame()
    events = kept.timeline.program.events
    spans: list[tuple[str, int, int]] = []
    for row in range(len(events)):
        kind = KINDS[events["kind"][row]]
        if kind == "stream" and events["count"][row] == 1:
            spans[-1] = (spans[-1][0], spans[-1][1], int(frame["end_ps"][row]))
            if apart == "bound":
                spans[-1] = (str(frame["bound"][row]), *spans[-1][1:])
        elif kind in ("compute", "stream", "copy"):
            spans.append((str(frame[apart][row]), int(frame["start_ps"][row]), int(frame["end_ps"][row])))
    expected = defaultdict(list)
    for name, start, end in spans:
        expected[name].append((end - start) / 1e12)
    found = kernel_seconds(kept, apart)
    assert set(found) == set(expected)
    for name, each in found.items():
        assert each.tolist() == pytest.approx(sorted(expected[name]))


def test_experts_are_counted_once_whoever_runs_them(kept: KeptRun) -> None:
    experiment, model = kept.experiment, MODEL
    layers, experts, k = (model[name] for name in ("num_hidden_layers", "num_local_experts", "num_experts_per_tok"))
    tokens = expert_table(kept, "tokens", "decode")
    assert tokens.shape == (layers, experts)
    assert np.nansum(tokens) == layers * k * experiment.workload.batch * kept.result.decode_steps
    runs = expert_table(kept, "runs", "decode")
    summary = kept.result.experts
    assert np.nansum(runs) == pytest.approx(
        kept.result.decode_steps * layers * sum(row.runs_per_layer for row in kept.result.expert_classes)
    )
    assert (runs[~np.isnan(runs)] <= kept.result.decode_steps * 2).all()
    near = expert_table(kept, "near-data", "decode")
    assert np.nansum(near * runs) == pytest.approx(summary.near_data)
    widths = [int(row.bits_per_weight) for row in kept.result.precisions if row.part == "experts"]
    bits = expert_table(kept, "bits")
    assert min(widths) <= np.nanmin(bits) <= np.nanmax(bits) <= max(widths)
    moves = expert_table(kept, "moves", "decode")
    assert moves.sum() == sum(row.copies for row in kept.result.expert_moves.values())


def test_what_is_no_kept_run_is_one_line(kept: KeptRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"experiment\.yaml"):
        KeptRun.of(tmp_path)
    with pytest.raises(InputError, match=", ".join(sorted(QUANTITIES))):
        expert_table(kept, "heat")
    with pytest.raises(InputError, match="bound, phase, purpose, unit"):
        kernel_seconds(kept, "colour")
    (tmp_path / "experiment.yaml").write_text((kept.folder / "experiment.yaml").read_text())
    with pytest.raises(InputError, match=r"program\.zip"):
        _ = KeptRun.of(tmp_path).timeline
