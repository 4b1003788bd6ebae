"""What the commands ``sst build`` and ``sst catalogue`` do."""

from __future__ import annotations

import json

from moe_cosim.sim.engines.sst.graph.sst_info import catalogue_document
from moe_cosim.sim.engines.sst.installation import find_installation
from moe_cosim.sim.engines.sst.library import LIBRARY_FILE, build_library


def build_elements() -> str:
    """Compile where the cache lacks it; the line to print."""
    installation = find_installation()
    return f"moecosim for SST {installation.version}: {build_library(installation) / LIBRARY_FILE}"


def catalogue_text() -> str:
    """The text of `catalogue.json` for the installed SST."""
    installation = find_installation()
    return json.dumps(catalogue_document(installation, build_library(installation)), indent=1) + "\n"
