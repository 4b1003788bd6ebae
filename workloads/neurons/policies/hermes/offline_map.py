"""The offline map: which neurons are copied to the GPU, and beside which unit every neuron lies (IV-B)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.workloads.neurons.activity import Clusters
from moe_cosim.workloads.neurons.policies.hermes.costs import MapProblem

Bools = NDArray[np.bool_]
I64 = NDArray[np.int64]
BINS = 16
"""Classes of frequency in the integer program: neurons of one class are interchangeable."""


def hottest_first(problem: MapProblem) -> Bools:
    """[layers, clusters] the optimum of the integer program but for whole clusters, without a solver.

    A stage's time falls by what a neuron takes beside, as often as it is active, until the GPU's part is the longer
    one; so the best use of the memory is those that save the most per byte, of all stages that have not come to that
    point.
    """
    layers, count = problem.frequency.shape
    gain = np.full((layers, count), -1.0)
    for block, mine in enumerate(problem.clusters.slices):
        size = problem.clusters.neurons[mine]
        work = problem.frequency[:, mine] * size
        order = np.argsort(-problem.frequency[:, mine], axis=1, kind="stable")
        taken = np.cumsum(np.take_along_axis(work, order, axis=1), axis=1)
        gpu = problem.gpu_ps[block] * taken + 2 * problem.sync_ps
        near = problem.near_ps[block] * (taken[:, -1:] - taken) / problem.units
        helps = np.empty(order.shape, np.bool_)
        np.put_along_axis(helps, order, gpu <= near, axis=1)
        per_byte = problem.near_ps[block] / problem.clusters.blocks[block].bytes_per_neuron
        gain[:, mine] = np.where(helps, problem.frequency[:, mine] * per_byte, -1.0)
    ranked = np.argsort(-gain, axis=None, kind="stable")[: np.count_nonzero(gain >= 0)]
    fits = np.cumsum(problem.clusters.bytes[ranked % count]) <= problem.gpu_bytes
    hot = np.zeros(layers * count, np.bool_)
    hot[ranked[fits]] = True
    return hot.reshape(layers, count)


def by_integer_program(problem: MapProblem, where: object) -> Bools:
    """The same by HiGHS (scipy, the extra ``ilp``): whole numbers of clusters of each class of frequency of each stage
    go to the GPU. `InputError` where scipy is not there. [layers, clusters].
    """
    try:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array
    except ImportError:
        raise InputError(where, "policy.map", "ilp", "optimal, or install scipy (the extra ilp)") from None
    layers, _ = problem.frequency.shape
    blocks = range(len(problem.clusters.slices))
    classes = [_classes(problem, layer, block) for block in blocks for layer in range(layers)]
    variables = sum(len(each.members) for each in classes)
    rows, columns, values = [], [], []
    least, cost = [], np.zeros(variables + len(classes))
    cost[variables:] = 1.0
    first = 0
    memory = np.zeros(variables + len(classes))
    most = np.full(variables + len(classes), np.inf)
    for stage, each in enumerate(classes):
        own = np.arange(first, first + len(each.members))
        most[own] = [len(members) for members in each.members]
        memory[own] = each.bytes
        for row, (weights, bound) in enumerate(
            ((-each.gpu_ps, 2.0 * problem.sync_ps), (each.near_ps, float((each.near_ps * most[own]).sum())))
        ):
            at = 2 * stage + row
            rows += [at] * (len(own) + 1)
            columns += [*own.tolist(), variables + stage]
            values += [*weights.tolist(), 1.0]
            least.append(bound)
        first += len(own)
    times = coo_array((values, (rows, columns)), shape=(2 * len(classes), variables + len(classes)))
    whole = np.r_[np.ones(variables), np.zeros(len(classes))]
    found = milp(
        cost,
        integrality=whole,
        bounds=Bounds(0, most),
        constraints=[LinearConstraint(times.tocsr(), np.array(least)), LinearConstraint(memory, ub=problem.gpu_bytes)],
        options={"mip_rel_gap": 0.01},
    )
    hot = np.zeros(problem.frequency.shape, np.bool_)
    first = 0
    for each in classes:
        for members in each.members:
            hot[each.layer, members[: round(float(found.x[first]))]] = True
            first += 1
    return hot


def at_random(problem: MapProblem, seed: int) -> Bools:
    """[layers, clusters]: as many neurons as the GPU's memory holds, any of them (the paper's Hermes-random)."""
    layers, count = problem.frequency.shape
    ranked = np.random.Generator(np.random.PCG64(seed)).permutation(layers * count)
    hot = np.zeros(layers * count, np.bool_)
    hot[ranked[np.cumsum(problem.clusters.bytes[ranked % count]) <= problem.gpu_bytes]] = True
    return hot.reshape(layers, count)


def beside_units(frequency: NDArray[np.floating], hot: Bools, clusters: Clusters, units: int) -> I64:
    """[layers, clusters] the unit beside which each lies: of every block neighbours, cut so that cold ones are expected
    to give all units equal work."""
    found = np.empty(hot.shape, np.int64)
    for mine in clusters.slices:
        size = clusters.neurons[mine]
        work = np.where(hot[:, mine], 0.0, frequency[:, mine]) * size + 1e-6 * size
        middle = np.cumsum(work, axis=1) - work / 2
        found[:, mine] = np.minimum(middle * units / work.sum(axis=1, keepdims=True), units - 1).astype(np.int64)
    return found


class _Classes:
    """Clusters of a stage by frequency, the members of each the hottest first."""

    def __init__(self, layer: int, members: list[I64], gpu_ps: I64, near_ps: I64, size: I64) -> None:
        self.layer, self.members = layer, members
        self.gpu_ps, self.near_ps, self.bytes = gpu_ps, near_ps, size


def _classes(problem: MapProblem, layer: int, block: int) -> _Classes:
    mine = problem.clusters.slices[block]
    frequency = problem.frequency[layer, mine]
    order = np.argsort(-frequency, kind="stable")
    members = [part + mine.start for part in np.array_split(order, min(BINS, len(order)))]
    mean = np.array([float(problem.frequency[layer, part].mean()) for part in members])
    size = np.array([float(problem.clusters.neurons[part].mean()) for part in members])
    work = mean * size
    held = np.array([float(problem.clusters.bytes[part].mean()) for part in members])
    return _Classes(layer, members, work * problem.gpu_ps[block], work * problem.near_ps[block] / problem.units, held)
