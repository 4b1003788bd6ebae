"""Routing drawn from the latent-Gaussian model of `moe_cosim.workloads.routing.latent`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError
from moe_cosim.options import Options, option
from moe_cosim.workloads.routing.counter_based.draw import draw_pooled
from moe_cosim.workloads.routing.latent import LatentParameters, load_preset
from moe_cosim.workloads.routing.latent_field import draw_tokens
from moe_cosim.workloads.routing.routing import VERSION_MEANS, Routing, RoutingShape, RoutingSource, routers

WEIGHT_SCALE: Final = Assumption(
    name="routing-weight-scale",
    value=1.25,
    range=(0.0, 4.0),
    source=(
        "gate weights are softmax(scale * z) over the chosen experts; 1.5 gives the mean sorted weights of the "
        "DeepSeek-V2-Lite traces of deepseek-ai/ESFT; other models publish none"
    ),
)


def coupling_assumption(parameters: LatentParameters) -> Assumption:
    """How alike the layers of one token are; the preset's value unless the experiment sets another."""
    return Assumption(
        name="routing-layer-coupling",
        value=parameters.coupling,
        range=(0.0, 1.0),
        source=f"tuned to the share of the next layer's experts a predictor finds; preset of {parameters.model}",
    )


class GeneratorOptions(Options):
    """Whose routing, of which kind of text, and by which version of the generator."""

    preset: str = option(
        ...,
        "parameters fitted to a model's traces",
        allowed="a preset (moe-cosim list routing-presets), or the path of a YAML file like one",
    )
    domain: int | None = option(None, "all traffic is of this kind; null: the preset's mixture", ge=0)
    version: int = option(2, VERSION_MEANS, ge=1, le=2)


@routers.register("generator")
class GeneratorSource(RoutingSource):
    """Another model's preset is adapted to the shape that is drawn."""

    summary: ClassVar[str] = "synthetic routing fitted to real traces: skew, locality, batches and layers agree"
    options_class = GeneratorOptions
    assumptions = (WEIGHT_SCALE,)
    options: GeneratorOptions

    def __init__(self, options: Mapping[str, Any], where: object, folder: Path) -> None:
        super().__init__(options, where, folder)
        self.name, self.domain = self.options.preset, self.options.domain
        self.parameters = load_preset(self.name, where, folder)
        if self.domain is not None and self.domain >= self.parameters.domains:
            raise InputError(where, "routing.domain", self.domain, f"0 to {self.parameters.domains - 1}")

    def draw(self, shape: RoutingShape, seed: int, assumptions: Assumptions) -> Routing:
        coupling = assumptions.number(coupling_assumption(self.parameters))
        scale = assumptions.number(WEIGHT_SCALE)
        parameters = replace(self.parameters.for_layers(shape.layers), coupling=coupling)
        if self.options.version == 2:
            drawn = draw_pooled(parameters, shape, seed, scale, self.domain)
            tables = drawn.prefill_experts, drawn.prefill_weights, drawn.decode_experts, drawn.decode_weights
        else:
            experts, weights = draw_tokens(parameters, shape, seed, scale, self.domain)
            prompt = shape.prompt_tokens
            decode = experts[:, prompt:].swapaxes(0, 1), weights[:, prompt:].swapaxes(0, 1)
            tables = experts[:, :prompt], weights[:, :prompt], *decode
        return Routing(*tables, shape.experts, self._describe(shape, seed))

    def _describe(self, shape: RoutingShape, seed: int) -> str:
        fitted = self.parameters
        text = f"generator version {self.options.version}, preset {self.name}, seed {seed}"
        if (fitted.layers, fitted.experts, fitted.top_k) != (shape.layers, shape.experts, shape.top_k):
            text += (
                f" (adapted: fitted to {fitted.layers} layers, top-{fitted.top_k} of {fitted.experts}; "
                f"used for {shape.layers} layers, top-{shape.top_k} of {shape.experts})"
            )
        return text if self.domain is None else f"{text}, domain {self.domain}"
