"""Every policy of the project meets the contract: some in all cases, the others in those that differ most.

The other cases of the others run in ``make test-slow``.
"""

from __future__ import annotations

from moe_cosim.testing.policy.contract import GPU_CAPACITY, PolicyContract
from moe_cosim.workloads.policies.base import policies


class Briefly(PolicyContract):
    """A batch, many experts, and little memory; the other cases are slow."""

    slow_cases = ("batch 1", "prompt only", "several devices", "many experts, scarce")


class TestOnDemand(PolicyContract):
    policy = "on-demand"
    scarce_experts = 1


class TestLru(Briefly):
    policy = "lru"
    scarce_experts = "one per layer"


class TestSpeculativeLru(Briefly):
    policy = "lru"
    options = {"cache_experts": 3, "speculative": True}  # noqa: RUF012
    settings = {"assumptions.lru-speculation-accuracy": 0.6}  # noqa: RUF012
    scarce_experts = None


class TestSpeculativeLruWithFewSlots(Briefly):
    policy = "lru"
    options = {"cache_experts": 1, "speculative": True}  # noqa: RUF012
    settings = {"assumptions.lru-speculation-accuracy": 0.6}  # noqa: RUF012
    scarce_experts = None


class TestBelady(Briefly):
    policy = "belady"
    scarce_experts = "one per layer"


class TestMoeInfinity(PolicyContract):
    policy = "moe-infinity"
    options = {"prefetch_experts": 2}  # noqa: RUF012
    settings = {"assumptions.infinity-collection": 20}  # noqa: RUF012
    scarce_experts = 1


class TestFlashMoe(Briefly):
    policy = "flash-moe"
    settings = {"assumptions.flash-moe-past-runs": 2}  # noqa: RUF012
    scarce_experts = "one per layer"


class TestFlashMoeByCounts(Briefly):
    policy = "flash-moe"
    options = {"cache_experts": 2, "evict": "lfu"}  # noqa: RUF012
    scarce_experts = None


class TestSpeculatingExperts(Briefly):
    policy = "speculating-experts"
    scarce_experts = 2


class TestSpeculatingExpertsThatFetchAgain(Briefly):
    policy = "speculating-experts"
    options = {"execute": False}  # noqa: RUF012
    settings = {"assumptions.speculating-hit-rate": 0.6}  # noqa: RUF012
    scarce_experts = None


class TestWisp(Briefly):
    policy = "wisp"
    options = {"cache_experts": 3, "prefetch": True}  # noqa: RUF012
    scarce_experts = None


class TestMonde(PolicyContract):
    policy = "monde"
    scarce_experts = 1


class TestMondeThatKeeps(Briefly):
    policy = "monde"
    options = {"resident_experts": 1}  # noqa: RUF012
    settings = {"assumptions.monde-migration": "ceil-unless-resident", "assumptions.monde-alpha": 8.0}  # noqa: RUF012
    scarce_experts = None


class TestHobbit(PolicyContract):
    policy = "hobbit"
    scarce_experts = 4


class TestHobbitFarAhead(Briefly):
    policy = "hobbit"
    options = {"prefetch_layers": 3, "t1": 0.4, "t2": 0.7}  # noqa: RUF012
    settings = {"assumptions.hobbit-prefetch-accuracy": 0.5}  # noqa: RUF012
    scarce_experts = 4


class TestCxlNdp(PolicyContract):
    policy = "cxl-ndp"
    settings = {"quantization.average_bits": 3}  # noqa: RUF012


class TestCxlNdpUnquantized(Briefly):
    policy = "cxl-ndp"
    options = {"gpu_experts": 2}  # noqa: RUF012
    scarce_experts = None


class TestAllOnGpu(Briefly):
    policy = "all-on-gpu"
    machine_settings = {GPU_CAPACITY: "200 GB"}  # noqa: RUF012
    scarce_experts = None


class OnModules(Briefly):
    """Policies of the machine of a GPU, a CPU and DIMMs with cores."""

    machines = {1: "h100-amx-dimm-ndp"}  # noqa: RUF012


class TestMondeDimm(OnModules):
    policy = "monde-dimm"


class TestFiddler(OnModules):
    policy = "fiddler"
    options = {"crossover_tokens": 2}  # noqa: RUF012


class TestDali(OnModules):
    policy = "dali"
    options = {"window_steps": 2}  # noqa: RUF012


class TestKlotski(OnModules):
    policy = "klotski"


class TestKTransformers(OnModules):
    policy = "ktransformers"


class TestKTransformersDeferring(OnModules):
    policy = "ktransformers"
    options = {"deferred_experts": 1, "gpu_experts": 1}  # noqa: RUF012
    settings = {"kv_cache": "near-data"}  # noqa: RUF012
    scarce_experts = None


class TestStaticHybrid(OnModules):
    policy = "static-hybrid"


class TestStaticHybridThatStreams(PolicyContract):
    policy = "static-hybrid"
    machines = {1: "rtx4090-xeon-6454s"}  # noqa: RUF012
    options = {"gpu_share": 0.1, "placement": "random", "prefill_gpu_threshold": 4}  # noqa: RUF012
    scarce_experts = None


class TestStaticHybridByLayers(Briefly):
    policy = "static-hybrid"
    machines = {1: "rtx4090-xeon-6454s"}  # noqa: RUF012
    machine_settings = {"devices.gpu.memories.gddr.capacity": "80 GB"}  # noqa: RUF012
    options = {"cpu_layers": 25}  # noqa: RUF012
    scarce_experts = None


class TestStaticHybridWithoutGpu(Briefly):
    policy = "static-hybrid"
    machines = {1: "xeon-8470-host"}  # noqa: RUF012
    options = {"gpu_experts": 1, "prefill_gpu_threshold": 1}  # noqa: RUF012
    scarce_experts = None


class TestKTransformersWithoutGpu(Briefly):
    policy = "ktransformers"
    machines = {1: "xeon-8470-host"}  # noqa: RUF012
    options = {"deferred_experts": 1, "gpu_experts": 0}  # noqa: RUF012
    scarce_experts = None


class TestAllOnCpu(Briefly):
    policy = "all-on-gpu"
    machines = {1: "xeon-8470-host"}  # noqa: RUF012
    scarce_experts = None


class TestTriMoe(OnModules):
    policy = "trimoe"


class TestTriMoeNearAttention(OnModules):
    policy = "trimoe"
    options = {"gpu_experts": 2}  # noqa: RUF012
    settings = {"kv_cache": "near-data", "assumptions.kv-attention": "near-data"}  # noqa: RUF012
    scarce_experts = None


class TestEdgeNdp(Briefly):
    policy = "edge-ndp"
    scarce_experts = 5


class TestEdgeNdpWithoutSlices(Briefly):
    policy = "edge-ndp"
    options = {"tensor_parallel": False, "prefetch": False}  # noqa: RUF012
    scarce_experts = 1


class TestSieve(Briefly):
    policy = "sieve"
    machines = {1: "b200-hbm-pim"}  # noqa: RUF012
    machine_settings = {GPU_CAPACITY: "180 GB"}  # noqa: RUF012
    settings = {"kv_cache": "near-data", "assumptions.kv-attention": "near-data"}  # noqa: RUF012
    scarce_experts = None


class TestSpecMoe(PolicyContract):
    policy = "specmoe"
    options = {"draft_experts": 2}  # noqa: RUF012
    scarce_experts = None


class TestSpecMoeDrawn(Briefly):
    policy = "specmoe"
    options = {"draft_experts": 1, "follow": "random"}  # noqa: RUF012
    settings = {"workload.verify": {"draft_tokens": 2, "acceptance": 0.5}}  # noqa: RUF012
    scarce_experts = None


class TestDynaExq(PolicyContract):
    policy = "dynaexq"
    options = {"update_steps": 2, "margin": 0.0}  # noqa: RUF012
    scarce_experts = None


class TestDynaExqThatWaits(Briefly):
    policy = "dynaexq"
    options = {"update_steps": 1, "margin": 0.0, "high_share": 0.5, "blocking": True}  # noqa: RUF012
    scarce_experts = None


class TestDyMoe(Briefly):
    policy = "dymoe"
    options = {"low_format": "int4"}  # noqa: RUF012
    scarce_experts = "one per layer"


class TestDyMoeThatLeavesOut(Briefly):
    policy = "dymoe"
    options = {"low_format": None, "retention": 0.5, "cache_experts": 2}  # noqa: RUF012
    settings = {"assumptions.dymoe-look-ahead-accuracy": 0.5}  # noqa: RUF012
    scarce_experts = None


class BesideACpu(Briefly):
    """Policies that stream from a host's memory to a GPU that its CPU helps."""

    machines = {1: "rtx4090-xeon-6454s"}  # noqa: RUF012
    scarce_experts = None


class TestFlexGen(BesideACpu):
    policy = "flexgen"
    options = {"micro_batch": 3}  # noqa: RUF012


class TestFlexGenLayersApart(BesideACpu):
    policy = "flexgen"
    options = {"micro_batch": 3, "layers_apart": True}  # noqa: RUF012


class TestKlotskiGroups(BesideACpu):
    policy = "klotski"
    options = {"batch_sequences": 3, "host_cache": True, "prefetch_experts": 1}  # noqa: RUF012


class TestKlotskiBatchByBatch(BesideACpu):
    policy = "klotski"
    options = {"batch_sequences": 3, "reorder": False, "prefetch_experts": 2}  # noqa: RUF012


class TestMoeGen(BesideACpu):
    policy = "moe-gen"
    options = {"micro_batch": 2, "cpu_share": 0.5}  # noqa: RUF012


class TestCoxMoe(BesideACpu):
    policy = "cox-moe"
    options = {"micro_batch": 2, "cpu_attention": True}  # noqa: RUF012


class TestMoeLightning(BesideACpu):
    policy = "moe-lightning"
    slow_cases = ()
    options = {"micro_batch": 2, "gpu_weights": 0.1}  # noqa: RUF012


def subclasses(cls: type[PolicyContract]) -> set[type[PolicyContract]]:
    return {one for direct in cls.__subclasses__() for one in {direct, *subclasses(direct)}}


def test_every_registered_policy_is_held_to_the_contract() -> None:
    tested = {cls.policy for cls in subclasses(PolicyContract) if hasattr(cls, "policy")}
    assert tested >= set(policies.names())
