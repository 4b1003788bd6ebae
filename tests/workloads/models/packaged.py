"""Configurations of mixture-of-experts models that come with the package aiconfigurator-core, where it is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path


def packaged_configurations() -> list[Path]:
    """Those with routed experts; none where the package is not there."""
    found = find_spec("aiconfigurator_core")
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    paths = [path for folder in folders for path in sorted(Path(folder).glob("model_configs/*_config.json"))]
    return [path for path in paths if "hf_quant" not in path.name and _has_experts(json.loads(path.read_text()))]


def _has_experts(data: dict[str, object]) -> bool:
    """Whether any count of experts in it, or in a configuration inside it, is more than none."""
    for name, value in data.items():
        if isinstance(value, dict) and _has_experts(value):
            return True
        if name in _COUNTS and isinstance(value, int) and value > 0:
            return True
    return False


_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
