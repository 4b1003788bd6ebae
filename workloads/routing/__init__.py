"""Which experts every token chooses: recorded traces, a generator fitted to them, and statistics."""

from moe_cosim.workloads.routing.latent import LatentParameters, load_preset, preset_names
from moe_cosim.workloads.routing.readers import read_trace
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import Routing, RoutingShape, RoutingSource, routers, routing_source
from moe_cosim.workloads.routing.statistics import RoutingStats, routing_stats

__all__ = [
    "LatentParameters",
    "Routing",
    "RoutingShape",
    "RoutingSource",
    "RoutingStats",
    "TokenTrace",
    "load_preset",
    "preset_names",
    "read_trace",
    "routers",
    "routing_source",
    "routing_stats",
]
