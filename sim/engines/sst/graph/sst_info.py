"""`catalogue.json` made anew from what ``sst-info`` says of the installed libraries."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import Plain, RunError
from moe_cosim.sim.engines.sst.installation import Installation
from moe_cosim.sim.engines.sst.process import call

OWN_LIBRARY: Final = "moecosim"

USED: Final[dict[str, tuple[str, ...]]] = {
    "memHierarchy": (
        "Bus",
        "DelayBuffer",
        "DirectoryController",
        "MemController",
        "MemLink",
        "MemNIC",
        "ramulator2",
        "simpleMem",
        "standardInterface",
        "timingDRAM",
    ),
    "merlin": ("hr_router", "linkcontrol", "singlerouter"),
    OWN_LIBRARY: (),
}
"""Library to its elements in the catalogue; none named: all of them."""

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "memHierarchy.Bus": ("bus_frequency",),
    "memHierarchy.MemController": ("clock",),
    "memHierarchy.timingDRAM": ("id", "mem_size"),
    "memHierarchy.simpleMem": ("mem_size",),
    "memHierarchy.MemNIC": ("group",),
    "memHierarchy.ramulator2": ("mem_size", "configFile"),
    "merlin.hr_router": ("id", "num_ports", "link_bw", "flit_size", "xbar_bw", "input_buf_size", "output_buf_size"),
}
"""Without these SST 16.0.0 stops, or misbehaves: sst-info writes the default ``none`` for optional parameters
too, so they are listed by hand. Elements of our own library follow the rule that ``none`` means required."""

OPTIONAL: Final = ("memHierarchy.ramulator2",)
"""In a library where SST was built with what they need."""

INHERITED: Final = ("network_name",)
"""Parameters that our elements have of merlin's, and do not read."""

_KINDS: Final = ("Component", "SubComponent", "Module")


def catalogue_document(installation: Installation, own_library: Path) -> dict[str, Any]:
    """The document of `catalogue.json`; `own_library` is the folder of the compiled own elements. Raises `RunError`
    where ``sst-info`` fails.
    """
    elements: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for library, names in USED.items():
            target = Path(folder) / f"{library}.xml"
            command = [str(installation.sst_info), library, "--xml", "--nodisplay", f"--outputxml={target}"]
            outcome = call([*command, f"--add-lib-path={own_library}"])
            if outcome.returncode or not target.is_file():
                raise RunError(f"sst-info {library} failed: {outcome.last_lines()}")
            elements |= read_sst_info(target.read_text(encoding="utf-8"), library, names)
    return {"sst_version": installation.version, "elements": elements}


def read_sst_info(text: str, library: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Entries of one library's XML. Raises `RunError` where a named element is missing."""
    found: dict[str, Any] = {}
    for node in ElementTree.fromstring(text).iter():
        name = node.get("Name", "")
        if node.tag in _KINDS and (name in names or not names):
            found[f"{library}.{name}"] = _entry(node, f"{library}.{name}", library == OWN_LIBRARY)
    missing = [name for name in names if f"{library}.{name}" not in (*found, *OPTIONAL)]
    if missing or not found:
        raise RunError(Plain(f"sst-info knows no {library} element {', '.join(missing) or 'at all'}"))
    return dict(sorted(found.items()))


def _entry(node: ElementTree.Element, type_: str, own: bool) -> dict[str, Any]:
    parameters = {p.get("Name", ""): _default(p.attrib) for p in node.iter("Parameter")}
    without = [name for name, default in parameters.items() if default is None and name not in INHERITED]
    required = without if own else list(REQUIRED.get(type_, ()))
    entry: dict[str, Any] = {
        "kind": node.tag,
        "parameters": parameters,
        "required": required,
        "ports": [p.get("Name") for p in node.iter("Port") if not _deprecated(p.attrib)],
        "slots": {
            s.get("Name"): s.get("Interface") for s in node.iter("SubComponentSlot") if not _deprecated(s.attrib)
        },
        "statistics": [s.get("Name") for s in node.iter("Statistic")],
    }
    if own:
        described = [
            *node.iter("Parameter"),
            *node.iter("Port"),
            *node.iter("SubComponentSlot"),
            *node.iter("Statistic"),
        ]
        entry["descriptions"] = {"": node.get("Description")} | {d.get("Name"): d.get("Description") for d in described}
    return entry


def _default(attributes: Mapping[str, str]) -> str | None:
    default = attributes.get("Default", "none")
    return None if default == "none" else default


def _deprecated(attributes: Mapping[str, str]) -> bool:
    return attributes.get("Description", "").startswith("DEPRECAT")
