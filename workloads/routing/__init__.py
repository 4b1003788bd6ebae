"""Which experts every token chooses: recorded traces, a generator fitted to them, and statistics."""

from workloads.routing.latent import LatentParameters, load_preset, preset_names
from workloads.routing.readers import read_trace
from workloads.routing.render import render
from workloads.routing.routing import Routing, RoutingShape, RoutingSource, routers, routing_source
from workloads.routing.statistics import RoutingStats, routing_stats
from workloads.routing.token_trace import TokenTrace

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
    "render",
    "routers",
    "routing_source",
    "routing_stats",
]
