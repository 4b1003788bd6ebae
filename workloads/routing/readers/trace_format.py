"""The contract of everything that reads a layout of recorded routing, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.registry import Registry
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.recorded.trace import Trace

Recording = Trace | BatchCounts | ExpertPopularity


@dataclass(frozen=True)
class ModelRouter:
    """What some layouts do not say, and the model does."""

    top_k: int
    score: str = "softmax"
    """How logits become weights (`Model.router_score`)."""


class TraceFormat(ABC):
    """One layout, registered under the name that an experiment's ``routing.format`` uses.

    `read` raises `InputError` for a file that is not wholly what it should be.
    """

    summary: ClassVar[str]
    """One line: what it holds."""
    written_by: ClassVar[str]
    known_by: ClassVar[str]
    """What in a file tells it."""
    needs_model: ClassVar[bool] = False
    """Whether the experts per token have to come from the model."""

    @abstractmethod
    def recognises(self, content: Content, top_k: int | None) -> bool:
        """Whether it may be this layout; `top_k` of the model, where one is known."""

    @abstractmethod
    def read(self, content: Content, router: ModelRouter | None) -> Recording:
        """Raises `InputError` for a file that is not wholly what it should be; runs no code from it."""


trace_formats: Final[Registry[type[TraceFormat]]] = Registry(
    "trace-format",
    "trace_formats",
    tuple(
        f"moe_cosim.workloads.routing.readers.formats.{module}"
        for module in (
            "token_arrays",
            "routed_experts",
            "rows.json_lines",
            "rows.batch_lines",
            "rows.parquet_rows",
            "parquet_layer",
            "layer_csv",
            "router_logits",
            "sglang_per_token",
            "sglang_per_pass",
            "expert_counts",
            "tensorrt_llm",
            "expert_totals",
            "imatrix",
        )
    ),
)


def needed(router: ModelRouter | None, content: Content, what: str) -> ModelRouter:
    """The model's router, for a layout that does not say k. Raises `InputError` where nobody said which model it is."""
    if router is None:
        allowed = f"the model's experts per token (--model): {what} do not say it"
        raise InputError(content.path, "top_k", Plain("nothing"), allowed)
    return router
