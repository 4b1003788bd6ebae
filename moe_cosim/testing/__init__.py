"""Contracts that every plug-in must meet, as pytest suites that run on anybody's.

    from moe_cosim.testing import PolicyContract


    class TestMine(PolicyContract):
        policy = "my-policy"

There is one per kind: `PolicyContract`, `NeuronPolicyContract`, `EngineContract`, `SchedulerContract`,
`RouterContract`, `AllocatorContract` and `UnitModelContract`. They need ``pip install 'moe-cosim[testing]'``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

try:
    import hypothesis  # noqa: F401 (looked for here, so that its absence is one sentence)
    import pytest
except ImportError as missing:
    raise ImportError(f"moe_cosim.testing needs {missing.name}: pip install 'moe-cosim[testing]'") from None

if TYPE_CHECKING:
    from moe_cosim.testing.allocator import AllocatorContract
    from moe_cosim.testing.engine.contract import EngineContract
    from moe_cosim.testing.neuron_policy.contract import NeuronPolicyContract
    from moe_cosim.testing.policy.contract import PolicyContract
    from moe_cosim.testing.router import RouterContract
    from moe_cosim.testing.scheduler.contract import SchedulerContract
    from moe_cosim.testing.unit_model import UnitModelContract

__all__ = [
    "AllocatorContract",
    "EngineContract",
    "NeuronPolicyContract",
    "PolicyContract",
    "RouterContract",
    "SchedulerContract",
    "UnitModelContract",
]

_MODULES: Final = {
    "AllocatorContract": "allocator",
    "EngineContract": "engine.contract",
    "NeuronPolicyContract": "neuron_policy.contract",
    "PolicyContract": "policy.contract",
    "RouterContract": "router",
    "SchedulerContract": "scheduler.contract",
    "UnitModelContract": "unit_model",
}

# a contract that is broken shows the values
pytest.register_assert_rewrite(*(f"{__name__}.{module.partition('.')[0]}" for module in _MODULES.values()))


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
