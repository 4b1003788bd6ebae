"""Ports whose link carries CXL.mem: `moecosim.FlitControl` between a network interface and merlin's link control.

Flits are packed once on a link: at its device, both for what asks there and for its memories; where two devices share
the link, for the memories alone. A port's own rate is then what the lanes carry, so that nothing but flits limits it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from moe_cosim.hw_models.components import Link
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from moe_cosim.sim.engines.sst.graph.graph import SubComponent, Value

SLOT: Final = "linkcontrol"
"""Of a MemNIC; empty, it makes its own link control."""


def port_bytes_per_s(link: Link) -> float:
    """Rate of the ports at its ends."""
    return link.bytes_per_s if link.protocol is None else link.peak_bytes_per_s


def with_flits(nic: SubComponent, link: Link | None, devices_on_link: int, leg_ps: int) -> SubComponent:
    """The network interface of a device on `link`, `leg_ps` from the router, which packs the link's flits if that is
    its part."""
    if link is None or link.protocol is None:
        return nic
    asks = "destinations" in nic.parameters
    if asks and devices_on_link > 1:
        return nic
    own = dict(nic.parameters)
    below = {
        "link_bw": own.pop("network_bw"),
        "input_buf_size": own.pop("network_input_buffer_size"),
        "output_buf_size": own.pop("network_output_buffer_size"),
    }
    other_half_ps = link.latency_ps - link.latency_ps // 2 if devices_on_link > 1 else 0
    parameters = _of(link.protocol, asks, 2 * (leg_ps + other_half_ps)) | below
    control = SubComponent(SLOT, "moecosim.FlitControl", parameters)
    return replace(nic, parameters=own, children=(*nic.children, control))


def port_path(nic_path: str, nic: SubComponent) -> str:
    """Of the part of the network interface that has the port."""
    return f"{nic_path}:{SLOT}" if any(child.slot == SLOT for child in nic.children) else nic_path


def _of(protocol: CxlProtocol, asks: bool, there_and_back_ps: int) -> dict[str, Value]:
    """`there_and_back_ps`: between a memory's interface and the link's other end, where credits are counted."""
    form = protocol.format
    most = (form.most_req, form.most_rwd, form.most_ndr, form.most_drs)
    return {
        "requests": "out" if asks else "in",
        "lanes": f"{round(protocol.lanes.bytes_per_s)}B/s",
        "flit_bytes": form.flit_bytes,
        "slots": form.slots,
        "header_only": f"[{', '.join(map(str, form.header_only))}]",
        "all_data": int(form.all_data),
        "drs_per_slot": min(protocol.drs_per_slot, form.drs_per_slot),
        "ndr_per_slot": form.ndr_per_slot,
        "ndr_with_drs": form.ndr_with_drs,
        "most": f"[{', '.join('0' if math.isinf(each) else f'{each:.0f}' for each in most)}]",
        "credits": protocol.credits or 0,
        "credit_return": f"{0 if asks else there_and_back_ps}ps",
    }
