"""The ``protocol`` of a link's description."""

from __future__ import annotations

from moe_cosim.errors import InputError
from moe_cosim.hw_models.cxl.flits import FLITS
from moe_cosim.hw_models.cxl.lanes import RATES, Lanes
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from moe_cosim.hw_models.description import Fields


def read_protocol(fields: Fields) -> CxlProtocol:
    """``{flit: 68, lanes: 16, rate: "32 GT/s"}``, and optional ``sync_headers`` and the constants ``drs_per_slot`` and
    ``credits``.

    Raises `InputError` for fields and values that there are none of.
    """
    fields.only("flit", "lanes", "rate", optional=("sync_headers", "drs_per_slot", "credits"))
    said = dict(fields.items())["flit"]
    flit, rate = str(said), fields.word("rate", RATES)
    if flit not in FLITS:
        raise fields.error("flit", said, ", ".join(FLITS))
    drs_per_slot = fields.whole("drs_per_slot") if "drs_per_slot" in fields else 1
    credits = fields.whole("credits") if "credits" in fields else None
    try:
        lanes = Lanes(rate, fields.count("lanes", 1), fields.flag("sync_headers"))
        return CxlProtocol(flit, lanes, drs_per_slot, credits)
    except InputError as error:
        raise fields.error(error.field, error.found, error.allowed) from None
