"""The options of the sst engine, as an experiment or the command line gives them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.schema import Count
from moe_cosim.sim.engines.sst.graph.sizing import DEFAULT_LINE_BYTES

LONGEST_S = 24 * 3600 - 1
"""SST 16 reads --exit-after as a time of day."""


class SstOptions(BaseModel):
    """`line_size` is checked against the machine when the graph is built."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line_size: Count = DEFAULT_LINE_BYTES
    """Bytes of one request."""
    ranks: Count = 1
    """MPI processes."""
    threads: Count = 1
    """Threads of each process. One is the default because more seldom pay: see docs/sst-engine.md."""
    time_limit_s: Annotated[int, Field(ge=1, le=LONGEST_S, strict=True)] = LONGEST_S
    """Wall time after which SST is told to stop (its --exit-after)."""
    configuration: Annotated[str, Field(pattern="^(python|json)$")] = "python"
    """Which of the two equal configurations SST reads."""


def slow_choice(ranks: int | None, threads: int | None) -> str | None:
    """What to tell who asks for more than one thread or rank."""
    if (ranks or 1) * (threads or 1) == 1:
        return None
    return (
        "note: more ranks and threads mostly make SST slower here, since devices exchange messages all the time; "
        "independent runs side by side gain more"
    )
