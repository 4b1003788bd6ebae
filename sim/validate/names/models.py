"""Which model of the catalogue somebody means by a Hugging Face id."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from moe_cosim.workloads.models.find import find_model, model_names
from moe_cosim.workloads.models.model import Model

_SAYS_NOTHING: Final = re.compile(
    r"instruct|chat|base|thinking|it|hf|preview|bf16|fp8|nvfp4|fp4|int4|awq|gptq|\d{4}|v0(\.\d+)+"
)
"""Words of a model's id that say nothing about its shape; dates and first versions too (2507, v0.1)."""


def find_served_model(model_id: str) -> Model | None:
    """The catalogue's model of that Hugging Face id or name, whatever it was tuned for or packed in."""
    return _models().get(_shape_name(model_id))


@cache
def _models() -> dict[tuple[str, ...], Model]:
    found: dict[tuple[str, ...], Model] = {}
    for name in model_names():
        model = find_model(name)
        found.setdefault(_shape_name(model.hf_id), model)
        found.setdefault(_shape_name(name), model)
    return found


def _shape_name(model_id: str) -> tuple[str, ...]:
    words = re.findall(r"[a-z0-9.]+", model_id.rpartition("/")[2].lower())
    return tuple(word for word in words if not _SAYS_NOTHING.fullmatch(word))
