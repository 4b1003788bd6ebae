"""A report of every command, of things whose names and numbers are as awkward as they may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.hw_models.build import build_with_origins
from moe_cosim.sim.accuracy.arms import ARMS
from moe_cosim.sim.accuracy.intervals import MeanInterval
from moe_cosim.sim.accuracy.result import AccuracyResult, ArmResult
from moe_cosim.sim.bench import Speed
from moe_cosim.sim.cli.listing import listing, registry_of
from moe_cosim.sim.cli.routing_stats import routing_statistics
from moe_cosim.sim.cli.table import Report
from moe_cosim.sim.cli.tables.checks.accuracy import accuracy_report
from moe_cosim.sim.cli.tables.checks.crosscheck import crosscheck_report
from moe_cosim.sim.cli.tables.checks.fit import fit_report
from moe_cosim.sim.cli.tables.checks.quantize import losses_report
from moe_cosim.sim.cli.tables.checks.reproduction import reproduction_report
from moe_cosim.sim.cli.tables.checks.validation import validation_report
from moe_cosim.sim.cli.tables.parts.description import description_document, description_report
from moe_cosim.sim.cli.tables.parts.listing import listing_report
from moe_cosim.sim.cli.tables.parts.machine import machine_report
from moe_cosim.sim.cli.tables.parts.model import model_document, model_report
from moe_cosim.sim.cli.tables.parts.plug_in import plug_in_document, plug_in_report
from moe_cosim.sim.cli.tables.parts.routing import routing_report
from moe_cosim.sim.cli.tables.results.bench import bench_report
from moe_cosim.sim.cli.tables.results.comparison import comparison_report
from moe_cosim.sim.cli.tables.results.query import query_report, query_table
from moe_cosim.sim.cli.tables.results.report import written_report
from moe_cosim.sim.cli.tables.results.result import replay_report, result_report
from moe_cosim.sim.cli.tables.results.sweep import (
    collected_report,
    found_report,
    outcome_report,
    plan_report,
    status_report,
)
from moe_cosim.sim.cli.tables.results.trace import trace_report
from moe_cosim.sim.compare.compare import compare
from moe_cosim.sim.crosscheck.cases.all_cases import all_cases
from moe_cosim.sim.crosscheck.compare import CaseComparison, CrossCheck
from moe_cosim.sim.replay import Replay
from moe_cosim.sim.report.write import WrittenReport
from moe_cosim.sim.reproduce.base import Reproduced
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.fit.fitted import Fitted, FittedCell, FittedUnknown
from moe_cosim.sim.run import run
from moe_cosim.sim.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.plan import NotVaried
from moe_cosim.sim.sensitivity.swings import VariedRun
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool import local
from moe_cosim.sim.sweep.pool.estimate import Estimate
from moe_cosim.sim.sweep.query.search import Found, Goal, Trial
from moe_cosim.sim.sweep.store.collect import Collected
from moe_cosim.sim.trace.trace import WrittenTrace
from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.ranking import rankings
from moe_cosim.sim.validate.validated import Validated
from tests.sim.tiny import Tiny

ODD = "[/b]深度[red]:smile:"
"""A name that is markup to rich, has wide characters, and is to be shown as it is."""

Make = Callable[[Tiny], Report]


def _result(tiny: Tiny) -> Report:
    tiny.write(("name: tiny", f"name: '{ODD}'"))
    swing = {"experiment": ODD, "default": "weight-stationary"}
    rates = {"decode_tokens_per_s": 1234.5678, "decode_joules_per_token": 0.25}
    runs = [
        VariedRun(assumption="", value=None, figures=rates, **swing | {"default": None}),
        VariedRun(assumption="ndp-array-dataflow", value=ODD, figures=dict.fromkeys(rates, 12.5), **swing),
        VariedRun(assumption=f"{ODD}-too", value=0.5, figures=rates, **swing),
        VariedRun(assumption=f"{ODD}-too", value=1.5, figures={}, error=f"a deadlock {ODD}", **swing),
    ]
    still = [NotVaried(ODD, ODD, "no range")]
    return result_report(run(tiny.path), Sensitivity([ODD], list(rates), runs, still, 1.0))


def _comparison(tiny: Tiny) -> Report:
    found = compare(str(tiny.path), str(tiny.write(("gpu_experts: 1", "gpu_experts: 2"))))
    return comparison_report(replace(found, runs=found.runs | {"a": ODD}))


def _reproduction(_: Tiny) -> Report:
    """With what ``--fit`` shows beside its cells."""
    _, *rest = fit_report(
        Fitted(
            name="odd",
            title=ODD,
            cells=[FittedCell(ODD, "mixtral-8x7b 2-bit", 8.7, 9.1, 8.8, 0.05)],
            unknowns=[
                FittedUnknown("pcie5-efficiency", 1.0, 0.9, (0.8, 1.0), 0.5, 2.25, 0.8, None),
                FittedUnknown(ODD, "ideal", "weight-stationary", ("ideal", "weight-stationary"), None, 3.0, ODD, 2.5),
            ],
            asked=61,
            default_distance=3.0,
            fitted_distance=2.0,
            trials=60,
            failed=1,
            drawn=12,
            as_near_as_default=0.25,
            seeds=3,
            wall_s=1.0,
        )
    )
    return [*reproduction_report(outcome_of_reproduction()), *rest]


def outcome_of_reproduction(_: Tiny | None = None) -> Reproduced:
    """As long in its names and as wide in its cells as the shipped ones."""
    models = ("mixtral-8x7b", "mixtral-8x22b")
    names = [f"{model} {bits}-bit over {system}" for model in models for bits in (2, 3) for system in ("MoNDE", ODD)]
    figures = ("decode speed-up over MoNDE, best case", "end-to-end speed-up over HOBBIT, highest")
    assumption = {"name": "hobbit-low-precision-share", "value": 0.2, "range": [0.05, 0.5], "source": "a [b]guess " * 9}
    return Reproduced(
        name="odd",
        title=f"context-aware MoE on CXL GPU-NDP {ODD}",
        cells=[Cell(figure, name, 8.7, 9.126, arithmetic=8.914) for name in names for figure in figures],
        assumptions=[assumption],
        sensitivity=[
            {"assumption": "ndp-array-dataflow", "value": value, "cell": name, "simulated": 17.01}
            for value in ("output-stationary", "ideal", 0.5)
            for name in names
        ],
        notes=[f"Lengths {ODD}"],
        runs=3,
        events=12,
        wall_s=1.0,
    )


def _accuracy(_: Tiny) -> Report:
    wide = MeanInterval(-0.1234, -0.5678, 0.3210)
    arms = [ArmResult(arm, says, 2.25, 123.456, wide, wide, wide, wide) for arm, says in ARMS.items()]
    size = (480, 4096, 2048)
    return accuracy_report(AccuracyResult(ODD, ODD, "gptq, groups of 128", [ODD], *size, "losses.npz", 8.75, arms))


def _crosscheck(_: Tiny) -> Report:
    errors = np.array([0.01, 0.02, 0.123456])
    cases = [
        CaseComparison(name, 123_456, 15_752_000, 15_745_000, errors, errors, 1000.0, 0.4, 0.8)
        for name in (*all_cases(), ODD)
    ]
    return crosscheck_report(CrossCheck("16.0.0", False, cases))


def _validated(_: Tiny) -> Report:
    lines = [CsvRow(Path("my measurements.csv"), line, {"fitted": "true" if line % 2 else ""}) for line in range(2, 6)]
    figures = (("decode_tokens_per_s", "tokens/s", 12.25, 8.125), ("time_to_first_token_s", "s", 0.5, 2.0))
    rows = [
        ComparedRow("systems", line, ODD, metric, unit, predicted, measured, {"group": ODD, "by": "x"})
        for line in lines
        for metric, unit, predicted, measured in figures
    ]
    rows.append(replace(rows[0], measured=2.0))
    refused = [Refused("llm", line, f"a device that the catalogue lacks: {ODD}") for line in lines]
    assumption = Assumption("llm-prompt-tokens", 300, (50, 2000), "a few hundred")
    return validation_report(Validated(rows, refused, rankings(rows, "group"), [assumption]))


def _plan(tiny: Tiny) -> Report:
    path = tiny.folder / "sweep.yaml"
    grid = {"workload.batch": [1, 2], "policy.gpu_experts": [1, 2], "assumptions.cxl-link-rate": ["32 GB/s", "64 GB/s"]}
    variants: dict[str, dict[str, Any]] = {ODD: {}, "with-a-rather-long-name": {"set": {"seed": 3}}}
    path.write_text(yaml.safe_dump({"base": str(tiny.path), "grid": grid, "variants": variants}))
    return plan_report(plan_sweep(path), Estimate(5.0, 0.1, 16, "guessed", [f"refused {ODD}"]), 2, all_points=False)


def _found(_: Tiny) -> Report:
    chosen = {"workload.batch": 4, "assumptions.cxl-link-rate": "64 GB/s", "machine.set.links.gpu-cxl.latency": "75 ns"}
    trials = [Trial(number, ODD, chosen, ["ab"], [1234.5678, 0.12]) for number in range(3)]
    goals = [Goal("decode_tokens_per_s", True), Goal("mean_loss", False)]
    return found_report(Found(ODD, goals, 0, trials, trials))


def _status(_: Tiny) -> Report:
    plan = {"name": ODD, "plan": "0123456789abcdef" * 2, "points": 12_345, "finished": 1, "failed": 0, "missing": 4}
    jobs = {"summary": [f"submission {ODD}"]}
    document = {
        "plans": [{**plan, "changed": [ODD, "core"]}],
        "finished": 1,
        "failed": 0,
        "damaged_parts": [ODD],
        "jobs": jobs,
    }
    return status_report(document)


def _query(_: Tiny) -> Report:
    names = ["point", "status", "variant", *(f"machine.set.links.link-{number}.peak" for number in range(20))]
    rows = [("0123456789ab", "finished", ODD, *(1.5 * number for number in range(20)))] * 60
    return query_report(query_table(SimpleNamespace(columns=names, fetchall=lambda: rows)))


REPORTS: dict[str, Make] = {
    "run": _result,
    "replay": lambda _: replay_report(Replay(ODD, "embedded", 7, 10**12, 10**12 + 1, False, 3)),
    "trace": lambda _: trace_report(WrittenTrace(ODD, 10**8, 10**9, 10**10, 10**14)),
    "report": lambda _: written_report(WrittenReport(ODD, [ODD, "b"], 10**7)),
    "sweep report": lambda _: written_report(WrittenReport(ODD, [ODD], 10**7)),
    "compare": _comparison,
    "reproduce": _reproduction,
    "accuracy": _accuracy,
    "crosscheck": _crosscheck,
    "validate": _validated,
    "quantize": lambda _: losses_report(_measured()),
    "bench": lambda _: bench_report([Speed(ODD, ODD, 50, 10**8, 12_345, 12.5, 6.0, 4.0, 1.5)]),
    "list": lambda _: listing_report(listing()),
    "routing stats": lambda _: routing_report(replace(routing_statistics("mixtral-8x7b", None, 4, 32, 0), where=ODD)),
    "sweep plan": _plan,
    "sweep run": lambda _: outcome_report(local.SweepOutcome(3, 1, 1, {"ab": ODD})),
    "sweep search": _found,
    "sweep status": _status,
    "results": _query,
    "collect": lambda _: collected_report(Collected(3, 1, 1, [])),
    "show machine": lambda _: machine_report(*build_with_origins("h100-cxl-ndp", Assumptions())),
    "show model": lambda _: model_report(model_document("deepseek-v2")),
    "show device": lambda _: description_report(description_document("device", "h100-sxm")),
    "show policy": lambda _: plug_in("policy", "trimoe"),
}


def _measured() -> dict[str, Any]:
    width = {"mean_loss": 1.5e-9, "least_loss": 1e-12, "largest_loss": 123.5, "delta_loss": None}
    rows = [{"bits": bits, **width, "delta_loss_error": 0.25, "lowered": 1234} for bits in (1, 16)]
    return {"model": ODD, "method": ODD, "loss_is": ODD, "unseen": 3, "widths": rows}


def plug_in(kind: str, name: str) -> Report:
    return plug_in_report(plug_in_document(kind, name, registry_of(kind)))
