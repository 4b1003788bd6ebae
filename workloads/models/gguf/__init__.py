"""Models by the headers of their ``.gguf`` files."""

from moe_cosim.workloads.models.gguf.read import read_gguf_model

__all__ = ["read_gguf_model"]
