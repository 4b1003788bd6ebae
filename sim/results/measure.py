"""Every number of a finished run, from its program and its timeline."""

from __future__ import annotations

import numpy as np

from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.classes import class_rows, move_rows
from moe_cosim.sim.results.critical_path import critical_path
from moe_cosim.sim.results.experts import expert_summary, mean_loss
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import AssumptionRow, Extrapolation
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.results.traffic import bytes_by_kind, link_rows, memory_rows, traffic_table
from moe_cosim.sim.results.units import unit_rows
from moe_cosim.version import VERSION
from moe_cosim.workloads.prepare import Prepared
from moe_cosim.workloads.program import PURPOSES


def measure(
    prepared: Prepared,
    timeline: Timeline,
    lowering_s: float,
    engine_s: float,
    extrapolation: Extrapolation | None = None,
) -> Result:
    """`timeline` is that of the whole program; `extrapolation` where it was made from a window of it."""
    scenario, program, experiment = prepared.scenario, prepared.program, prepared.experiment
    machine, gpu = scenario.machine, scenario.machine.main_unit.name
    work = experiment.workload
    heads = np.flatnonzero(program.tags["purpose"][program.events["tag"]] == PURPOSES.index("head"))
    finished = np.sort(timeline.end_ps[heads])
    first_ps, last_ps = int(finished[0]), int(finished[-1])
    total_ps = timeline.total_ps
    decoded = work.batch * work.decode_steps
    access_memory = machine.memory_index(program.accesses["address"])
    target_memory = machine.memory_index(prepared.plan.moves["target"])
    table = traffic_table(machine, program, access_memory)
    return Result(
        status="finished",
        name=experiment.name,
        version=VERSION,
        engine=experiment.engine_name,
        machine=machine.name,
        model=scenario.model.name,
        policy=str(experiment.policy["name"]),
        routing=scenario.demand.routing.source,
        seed=experiment.seed,
        decode_tokens_per_s=decoded / ((last_ps - first_ps) / 1e12) if decoded else None,
        end_to_end_s=last_ps / 1e12,
        end_to_end_tokens_per_s=work.generated_tokens / (last_ps / 1e12),
        time_to_first_token_s=first_ps / 1e12,
        decode_steps=work.decode_steps,
        decode_s=(last_ps - first_ps) / 1e12,
        near_data_busy_per_expert_s=_near_data_time(prepared, timeline),
        units=unit_rows(machine, program, timeline, first_ps),
        memories=memory_rows(machine, table, total_ps),
        links=link_rows(machine, table, total_ps),
        traffic=bytes_by_kind(machine, table),
        experts=expert_summary(prepared.plan, gpu),
        expert_classes=class_rows(prepared.plan, machine, scenario.demand),
        expert_moves=move_rows(prepared.plan, machine, target_memory, scenario.model.expert),
        policy_report=prepared.policy.report(),
        mean_loss=mean_loss(prepared.plan, scenario.quantization.losses),
        critical_path=critical_path(machine, program, timeline).rows(),
        events=len(program.events),
        wall_s=lowering_s + engine_s,
        lowering_s=lowering_s,
        engine_s=engine_s,
        assumptions=[AssumptionRow.of(assumption.as_dict()) for assumption in scenario.assumptions.used()],
        extrapolation=extrapolation,
        _timeline=RunTimeline(**vars(timeline), program=program),
    )


def _near_data_time(prepared: Prepared, timeline: Timeline) -> float | None:
    program = prepared.program
    tags = program.tags[program.events["tag"]]
    ndp = {unit.name for unit in prepared.machine.near_data_units}
    lanes = [index for index, (unit, _) in enumerate(program.lanes) if unit in ndp]
    kernels = (tags["purpose"] == PURPOSES.index("expert")) & (tags["step"] > 0)
    kernels &= np.isin(program.events["lane"], lanes)
    if not kernels.any():
        return None
    return float((timeline.end_ps[kernels] - timeline.start_ps[kernels]).mean()) / 1e12
