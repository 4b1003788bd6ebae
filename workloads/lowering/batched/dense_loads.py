"""Dense weights that do not stay in the GPU's memory: a layer's are loaded while the one before it runs."""

from __future__ import annotations

from typing import Final

import numpy as np

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE

_WEIGHTS: Final = CONTENTS.index("weights")
_SYNCHRONISE: Final = Purpose(PURPOSES.index("synchronise"))
_LOAD: Final = Purpose(PURPOSES.index("load dense weights"))

# order of a layer's events in its slot of the lane of weights
_STARTED, _COPY, _ARRIVED = range(3)
_AFTER_LAUNCHES: Final = 3


def lower_dense_loads(scene: Scene) -> None:
    """Loads of all layers of all steps, and of the head while the last layer runs.

    The buffer that a layer is loaded into was read by the layer before last: it is free when the layer before has
    begun. The first layer of a step comes behind the head of the step before it.
    """
    dense = None if scene.layout.host is None else scene.layout.host.dense
    if dense is None:
        return
    sheet, lane, count = scene.sheet, scene.dma_lane("weights"), scene.model.layers
    step, layer = scene.grid(scene.steps, np.arange(count))
    started, arrived, head_arrived = (sheet.new_tokens(size) for size in (len(step), len(step), len(scene.steps)))
    sheet.add(SIGNAL, scene.gpu_lane, Place(step, layer, slots.START_SIGNAL, 1), _SYNCHRONISE, token=started)
    sheet.add(WAIT, lane, Place(step, layer, slots.DENSE_LOADS, _STARTED), _SYNCHRONISE, token=started, count=1)
    # the last one's wait has no load behind it where the head stays: the next step's first one relies on it

    def load(of: tuple[Ints, Ints | int], home: Ints | int, buffer: Ints | int, size: Ints | int, token: Ints) -> None:
        ranges = Range(home, size, READ, _WEIGHTS), Range(buffer, size, WRITE, _WEIGHTS)
        copy_ps = scene.software.copy_ps
        sheet.add(COPY, lane, Place(*of, slots.DENSE_LOADS, _COPY), _LOAD, setup_ps=copy_ps, ranges=ranges)
        sheet.add(SIGNAL, lane, Place(*of, slots.DENSE_LOADS, _ARRIVED), _SYNCHRONISE, token=token)

    buffer = dense.buffer(step, layer)
    load((step, layer - 1), dense.address[layer], buffer, dense.layer_bytes[layer], arrived)
    place = Place(step, layer, slots.HOST, _AFTER_LAUNCHES)
    sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=arrived, count=1)
    if dense.head_bytes:
        steps = np.arange(scene.steps.start, scene.steps.stop)
        load((steps, count - 1), dense.head, dense.head_buffer, dense.head_bytes, head_arrived)
        sheet.add(WAIT, scene.gpu_lane, Place(steps, count, slots.HOST), _SYNCHRONISE, token=head_arrived, count=1)
