"""Every number of a run, from its blocks as they finish."""

from __future__ import annotations

from collections.abc import Sequence

from moe_cosim.assumptions import Assumption
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.energy.account import Times, account
from moe_cosim.sim.results.energy.tally import EnergyTally
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.sim.results.metrics.decisions import Decisions
from moe_cosim.sim.results.metrics.traffic import bytes_by_kind, link_rows, memory_rows, traffic_table
from moe_cosim.sim.results.metrics.units import unit_rows
from moe_cosim.sim.results.metrics.verified import verify_summary
from moe_cosim.sim.results.path.path_tree import PathTree
from moe_cosim.sim.results.phases import Phases
from moe_cosim.sim.results.precisions import Precisions
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import AssumptionRow, Extrapolation
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.version import VERSION
from moe_cosim.workloads.blocks import Block
from moe_cosim.workloads.programs.program import Program
from moe_cosim.workloads.run_kinds import AnyPrepared


class Meter:
    """Adds up a run's blocks; of each it keeps sums alone, once the next is there."""

    def __init__(self, prepared: AnyPrepared, engine_assumed: Sequence[Assumption] = ()) -> None:
        """`engine_assumed`: what the run's engine takes in the place of what the machine says."""
        scenario = prepared.scenario
        self._prepared = prepared
        self._engine_assumed = tuple(engine_assumed)
        self._activity = Activity(scenario.machine)
        self._energy = EnergyTally(scenario)
        self._decisions = Decisions(
            scenario.machine, scenario.demand, scenario.model.expert, scenario.quantization.losses
        )
        self._precisions = Precisions(scenario)
        self._path = PathTree(scenario.machine)
        self._latest: tuple[Program, Timeline] | None = None

    def add(self, block: Block, timeline: Timeline) -> None:
        """The next block of the run, all of whose events have ended. `RunError` where no bounds are said."""
        if self._latest is not None:
            self._take(*self._latest, following=timeline)
        self._decisions.add(block.plan)
        self._energy.learn(block.plan.formats)
        self._precisions.add(block.plan)
        self._latest = (block.program, timeline)

    def result(
        self, phases: Phases, extrapolation: Extrapolation | None = None, timeline: RunTimeline | None = None
    ) -> Result:
        """After the last block. `timeline`: to go with the result; `extrapolation`: where the times were made
        from a window of the run."""
        if self._latest is not None:
            self._take(*self._latest, following=None)
            self._latest = None
        prepared, activity, decisions = self._prepared, self._activity, self._decisions
        scenario, experiment, machine = prepared.scenario, prepared.experiment, prepared.machine
        work = experiment.workload
        first_ps, last_ps, total_ps = activity.first_head_ps, activity.last_head_ps, activity.total_ps
        decoded = scenario.decode.tokens
        table = traffic_table(machine, activity)
        path = self._path.rows()
        times = Times(total_ps / 1e12, (total_ps - first_ps) / 1e12, work.generated_tokens, decoded)
        energy = account(machine, self._energy, activity.busy, times)
        phases.measured()
        return Result(
            status="finished",
            name=experiment.name,
            version=VERSION,
            engine=experiment.engine_name,
            machine=machine.name,
            model=scenario.model.name,
            policy=str(experiment.policy["name"]),
            routing=scenario.demand.source,
            seed=experiment.seed,
            decode_tokens_per_s=decoded / ((last_ps - first_ps) / 1e12) if decoded else None,
            end_to_end_s=last_ps / 1e12,
            end_to_end_tokens_per_s=work.generated_tokens / (last_ps / 1e12),
            time_to_first_token_s=first_ps / 1e12,
            decode_steps=scenario.decode.count,
            decode_s=(last_ps - first_ps) / 1e12,
            near_data_busy_per_expert_s=activity.near_data_kernel_s,
            units=unit_rows(machine, activity),
            memories=memory_rows(machine, table, total_ps),
            links=link_rows(machine, table, total_ps),
            traffic=bytes_by_kind(machine, activity, table),
            experts=decisions.expert_summary(),
            expert_classes=decisions.class_rows(),
            expert_moves=decisions.move_rows(),
            policy_report=prepared.policy.report(),
            mean_loss=decisions.mean_loss(),
            delta_loss=decisions.delta_loss(),
            losses=scenario.quantization.losses.origin,
            critical_path=path,
            events=activity.events,
            wall_s=phases.lowering_s + phases.engine_s,
            lowering_s=phases.lowering_s,
            engine_s=phases.engine_s,
            assumptions=[
                AssumptionRow(used.name, used.value, list(used.range), used.source)
                for used in (*scenario.assumptions.used(), *self._engine_assumed)
            ]
            + self._precisions.assumed(),
            extrapolation=extrapolation,
            measuring_s=phases.measuring_s,
            writing_s=phases.writing_s,
            software=scenario.software.name,
            precisions=self._precisions.rows(),
            energy=energy.summary,
            energy_components=energy.components,
            energy_purposes=energy.purposes,
            power_over_time=energy.over_time,
            verify=verify_summary(scenario),
            _timeline=timeline,
        )

    def _take(self, program: Program, timeline: Timeline, following: Timeline | None) -> None:
        """Count a block that `following` follows (None: the last)."""
        self._activity.add(program, timeline, is_last=following is None)
        self._energy.add(program, timeline)
        self._path.add(program, timeline, None if following is None else following.last_signal)
