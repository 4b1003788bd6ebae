"""How much of its pin bandwidth a DRAM standard delivers, by the length of contiguous runs."""

from __future__ import annotations

from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.components import AccessEfficiency
from moe_cosim.hw_models.description import Fields, Reading
from moe_cosim.hw_models.merge import Places
from moe_cosim.quantity import parse_quantity


def read_efficiency(name: str, reading: Reading, places: Places, memory: str) -> tuple[str, AccessEfficiency]:
    """(title, efficiency) of the DRAM description `name` (a file of ``catalog/dram``).

    The longest block of the table stands for a sequential stream. `memory` is the path, in the
    description that `places` is about, of the memory that names it.
    """
    standard = f"{memory}.standard"
    where, path = places.locate(standard)
    file = catalog.find(name, "dram", where, path)
    fields = Fields(reading.read(file, "dram"), reading, places.below(standard, str(file)))
    fields.only("title", "efficiency")
    points = []
    for block, shares in fields.children("efficiency"):
        shares.only("read", "write")
        size = parse_quantity(block, "bytes", file, "efficiency")
        points.append((size, shares.share("read"), shares.share("write")))
    if not points:
        raise fields.error("efficiency", {}, "at least one block size")
    blocks, reads, writes = zip(*sorted(points), strict=True)
    return fields.text("title"), AccessEfficiency(blocks, reads, writes)


def with_sequential_read(table: AccessEfficiency, share: float) -> AccessEfficiency:
    """`table` for a memory whose sequential reads were measured to reach `share` of its peak.

    Sequential writes keep the table's ratio to reads, and no shorter block does better than the
    sequential stream: what limits the stream (a controller, refresh) limits them too.
    """
    write = min(1.0, table.write[-1] * share / table.read[-1])
    return AccessEfficiency(
        table.block_bytes,
        (*(min(point, share) for point in table.read[:-1]), share),
        (*(min(point, write) for point in table.write[:-1]), write),
    )
