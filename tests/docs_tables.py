"""The tables in docs that are printed: options from the plug-ins, figures from the ledger.

``python -m tests.docs_tables`` (make docs) renews them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from benchmarks.sst_ramulator import table
from ledger.parts import SIMULATED
from moe_cosim.options import OptionRow, Options, option_rows
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.validate.validate import validate
from moe_cosim.workloads.models import find_model
from moe_cosim.workloads.models.model_file.fields import (
    ATTENTION_PARTS,
    ExpertsPart,
    ModelFile,
    PrecisionPart,
    RouterPart,
)
from moe_cosim.workloads.neurons.policies.base import neuron_policies
from moe_cosim.workloads.neurons.source import SOURCES
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.routing.readers.trace_format import trace_formats
from moe_cosim.workloads.routing.routing import routers
from moe_cosim.yaml_file import yaml_text
from tests.docs import reference
from tests.docs_figures import reproduction_table
from tests.docs_fits import FITTED, cells_table, neighbours_table, unknowns_table
from tests.workloads.models.published import published_parameters

DOCS: Final = Path(__file__).parents[1] / "docs"
README: Final = DOCS.parent / "README.md"
_BLOCK: Final = re.compile(
    r"(<!-- (?:options|figures): (\S+) -->\n).*?(<!-- end of (?:options|figures) -->)", re.DOTALL
)
_HEADLINES: Final = (
    "decode speed-up over MoNDE, best case",
    "speed-up over HOBBIT, up to",
    "decode tokens/s, 128 in / 2048 out",
)


def _rows(plug_in: str, cls: type[Options]) -> Iterable[str]:
    rows = option_rows(cls)
    if not rows:
        yield f"| `{plug_in}` | none | | | | |"
    for number, row in enumerate(rows):
        name = "" if number else f"`{plug_in}`"
        yield f"| {name} | `{row.field}` | {_default(row)} | {row.allowed} | {row.unit} | {row.meaning} |"


def _default(row: OptionRow) -> str:
    if row.required:
        return "(required)"
    return yaml_text(row.default).splitlines()[0]


def _model_file() -> str:
    """Every field of a model file, those of its parts by their path."""
    head = ["| part | field | default | allowed | meaning |", "|---|---|---|---|---|"]
    parts: dict[str, type[BaseModel]] = {"": ModelFile, "`experts`": ExpertsPart, "`router`": RouterPart}
    parts |= {f"`attention`, {kind}": part for kind, part in ATTENTION_PARTS.items()}
    parts["`precision`"] = PrecisionPart
    for part, cls in parts.items():
        for number, row in enumerate(option_rows(cls)):
            default = "" if isinstance(row.default, BaseModel) else _default(row)
            allowed = row.allowed.replace(f" to {2**31 - 1}", "")  # of no interest to anybody
            head.append(f"| {'' if number else part} | `{row.field}` | {default} | {allowed} | {row.meaning} |")
    return "\n".join(head)


def _families() -> str:
    """Parameters of the catalogue beside those published, by family."""
    head = [
        "| `model_type` | model | total | published | active | published | counted without | who says so |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in published_parameters().items():
        model = find_model(name)
        total = f"{model.total_params / 1e9:.2f} | {row.total_b:g}"
        if row.total_elsewhere_b:
            total += f", {row.total_elsewhere_b:g} of it a vision tower"
        active = f"{row.ours_active_b(model):.2f} | {row.active_b:g}" if row.active_b is not None else "|"
        without = " and ".join(row.active_without)
        head.append(f"| `{row.model_type}` | {name} | {total} | {active} | {without} | {row.source} |")
    return "\n".join(head)


def _table(kind: str, known: Iterable[tuple[str, Any]]) -> str:
    head = [f"| {kind} | option | default | allowed | unit | meaning |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(row for name, cls in known for row in _rows(name, cls.options_class))])


def _trace_formats() -> str:
    head = ["| `format` | holds | written by | recognised by | needs the model |", "|---|---|---|---|---|"]
    rows = (
        f"| `{name}` | {cls.summary} | {cls.written_by} | {cls.known_by} | {'its k' if cls.needs_model else ''} |"
        for name, cls in trace_formats
    )
    return "\n".join([*head, *rows])


def _flash() -> str:
    """Published bandwidths of drives beside the engine's."""
    head = ["| drive | access | MB/s published | simulated | error | |", "|---|---|---|---|---|---|"]
    for row in validate("flash").rows:
        drive, access = row.what.split(", ", 1)
        seen = "seen" if row.fitted else ""
        head.append(f"| {drive} | {access} | {row.measured:.0f} | {row.predicted:.0f} | {row.error:+.1%} | {seen} |")
    return "\n".join(head)


def _neuron_sources() -> str:
    head = ["| source | option | default | allowed | unit | meaning |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(row for name, cls in SOURCES.items() for row in _rows(name, cls))])


TABLES: Final[dict[str, Callable[[], str]]] = {
    "policies": lambda: _table("policy", policies),
    "neuron-policies": lambda: _table("policy", neuron_policies),
    "neuron-sources": _neuron_sources,
    "routers": lambda: _table("source", routers),
    "trace-formats": _trace_formats,
    "engines": lambda: _table("engine", engines),
    "model-file": _model_file,
    **{f"{kind}-file": partial(reference.table, kind) for kind in reference.FILES},
    "unit-models": reference.unit_models,
    "site-file": reference.site_table,
    "families": _families,
    "ramulator": table,
    "flash": _flash,
    **{part: partial(reproduction_table, part) for part in SIMULATED},
    "headlines": partial(reproduction_table, "cxl-ndp", _HEADLINES),
    "fits-of-neighbours": neighbours_table,
    **{f"fit-{part}": partial(cells_table, part) for part in FITTED},
    **{f"fitted-{part}": partial(unknowns_table, part) for part in FITTED},
}


def texts() -> list[Path]:
    """That may hold such tables."""
    return [README, *sorted(DOCS.glob("*.md"))]


def renewed(text: str) -> str:
    """`text` with every table between its comments as plug-ins and ledger say it now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def tables_in(text: str) -> list[str]:
    return [found[2] for found in _BLOCK.finditer(text)]


if __name__ == "__main__":
    for path in texts():
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
