"""Which weight format somebody means by a kernel's dtype or a checkpoint's precision."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from moe_cosim.hw_models.formats import WeightFormat, formats

_NAMES: Final = {
    "bf16": ("bfloat16", "bf16w16a16"),
    "fp16": ("float16", "half"),
    "fp8": ("fp8w8a8", "float8", "fp8e4m3", "float8e4m3fn", "w8a8fp8"),
    "fp8-block": ("fp8blockwise", "blockfp8"),
    "int8-w8a8": ("int8smoothquant", "w8a8"),
    "int8": ("int8w8a16", "int8wo", "w8a16"),
    "int4": ("int4w4a16", "int4wo", "w4a16", "awq", "gptq"),
    "mxfp4": ("mxfp4w4a16", "w4a16mxfp4"),
    "nvfp4": ("nvfp4w4a4", "fp4"),
}
"""What frameworks and tables call formats of the catalogue, beside the catalogue's own names."""


@lru_cache(maxsize=256)
def find_precision(text: str) -> WeightFormat | None:
    """The format that `text` names, case, spaces and punctuation aside; None for a precision that nobody describes."""
    said = _plain(text)
    spellings = {_plain(name): name for name in formats.names()}
    spellings |= {other: name for name, others in _NAMES.items() if name in formats.names() for other in others}
    return formats.get(spellings[said]) if said in spellings else None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
