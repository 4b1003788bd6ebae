"""Columns of events in any order, and the program they make."""

from moe_cosim.workloads.lowering.sheet.sheet import EventSheet, Ints, Place, Purpose, Range

__all__ = ["EventSheet", "Ints", "Place", "Purpose", "Range"]
