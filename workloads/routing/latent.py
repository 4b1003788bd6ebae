"""Parameters of the latent-Gaussian routing model, per MoE layer, and the presets that hold them.

For token t of sequence s and expert e of one layer, all terms standard normal, the k largest win:

    z = √a·popularity[e] + √m·domain[s,e] + √c·sequence[s,e] + √p·phase[s,prefill|decode,e]
      + √d·slow[t,e] + short[t,e]

`slow` is AR(1) with coefficient ρ. `short` is the page's fast term and noise in one: an MA(1)
process of variance 1 − a − m − c − p − d whose covariance between adjacent tokens is f.
An MA(1) process correlates at most ½, hence a + m + c + p + d + 2f ≤ 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.yaml_file import parse_yaml, read_yaml

F64 = NDArray[np.float64]

_SHARES: Final = ("popularity", "domain", "sequence", "phase", "slow", "fast")
_PER_LAYER: Final = (*_SHARES, "slow_rho")
_TEXT: Final = ("model", "source")
_MOST: Final = {"layers": 2**15 - 1, "experts": 2**16, "top_k": 2**16, "domains": 4096}
_KEYS: Final = (*_TEXT, "layers", "experts", "top_k", "domains", "coupling", "popularity_skewness", *_PER_LAYER)


@dataclass(frozen=True)
class LatentParameters:
    """One model's routing. Arrays are [layers], one value per MoE layer; shares are of the variance of z."""

    model: str
    source: str
    experts: int
    """Of the model the preset was fitted to; the shares themselves do not depend on it."""
    top_k: int
    domains: int
    """How many kinds of text the traffic mixes; each sequence is of one."""
    coupling: float
    """Correlation of the token-level and sequence-level terms of any two layers, 0 to 1."""
    popularity_skewness: float
    """Of the popularity vector: 0 is normal, negative means few experts stand out and some are hardly used."""
    popularity: F64
    """a: the same for all traffic."""
    domain: F64
    """m: shared by the sequences of one domain."""
    sequence: F64
    """c: of one sequence, prompt and output alike."""
    phase: F64
    """p: of one sequence, drawn anew for its output."""
    slow: F64
    """d."""
    fast: F64
    """f: covariance of adjacent tokens beyond all other terms."""
    slow_rho: F64
    """ρ."""
    where: str = "preset"

    def __post_init__(self) -> None:
        for name in _PER_LAYER:
            values = getattr(self, name)
            if not bool(np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()):
                raise InputError(self.where, name, Plain("a value outside"), "shares between 0 and 1")
        if bool((self.slow_rho >= 1).any()):
            raise InputError(self.where, "slow_rho", float(self.slow_rho.max()), "less than 1")
        if not 0 <= self.coupling <= 1:
            raise InputError(self.where, "coupling", self.coupling, "between 0 and 1")
        if not -1 <= self.popularity_skewness <= 1:
            raise InputError(self.where, "popularity_skewness", self.popularity_skewness, "between -1 and 1")
        if self.domains < 1:
            raise InputError(self.where, "domains", self.domains, "at least 1")
        total = sum(getattr(self, name) for name in _SHARES) + self.fast
        if bool((total > 1 + 1e-9).any()):
            layer = int(np.argmax(total))
            allowed = "popularity + domain + sequence + phase + slow + 2·fast of at most 1"
            raise InputError(self.where, f"layer {layer}", round(float(total[layer]), 4), allowed)

    @property
    def layers(self) -> int:
        """MoE layers that the preset was fitted to."""
        return len(self.popularity)

    @property
    def short(self) -> F64:
        """[layers] variance of the short-lived term: fast and noise."""
        return 1.0 - self.popularity - self.domain - self.sequence - self.phase - self.slow

    def short_factors(self) -> tuple[F64, F64]:
        """[layers] each: short[t] = now·u[t] + before·u[t−1] with the variance and covariance asked for."""
        plus = np.sqrt(np.maximum(self.short + 2 * self.fast, 0.0))
        minus = np.sqrt(np.maximum(self.short - 2 * self.fast, 0.0))
        return (plus + minus) / 2, (plus - minus) / 2

    def lag_correlation(self, lag: int) -> F64:
        """[layers] correlation of z between tokens `lag` apart in one phase of a sequence."""
        steady = self.popularity + self.domain + self.sequence + self.phase
        return steady + self.slow * self.slow_rho**lag + (self.fast if lag == 1 else 0.0)

    def for_layers(self, layers: int) -> LatentParameters:
        """The same model with another depth: values interpolated over relative depth."""
        if layers == self.layers:
            return self
        here, there = np.linspace(0, 1, self.layers), np.linspace(0, 1, layers)
        return replace(self, **{name: np.interp(there, here, getattr(self, name)) for name in _PER_LAYER})


def preset_names() -> list[str]:
    """Sorted, without ``.yaml``: those that ``moe-cosim list routing-presets`` shows."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _presets().iterdir() if entry.name.endswith(".yaml"))


def load_preset(name: str, where: object = "experiment", folder: Path = Path()) -> LatentParameters:
    """A packaged preset by name, or a YAML file of the same form by path (ends in ``.yaml``). Raises `InputError`."""
    if name.endswith(".yaml"):
        path = folder / name
        return _parameters(read_yaml(path), path)
    if name not in preset_names():
        raise InputError(where, "routing.preset", name, one_of(preset_names(), name) + ", or the path of a .yaml file")
    entry = _presets() / f"{name}.yaml"
    return _parameters(parse_yaml(entry.read_text(encoding="utf-8"), entry.name), entry.name)


def _presets() -> Any:
    return files("moe_cosim.workloads.routing") / "presets"


def _parameters(data: dict[str, Any], where: object) -> LatentParameters:
    for key in data:
        if key not in _KEYS:
            raise InputError(where, key, Plain("an unknown field"), _KEYS)
    for key in _KEYS:
        if key not in data:
            raise InputError(where, key, Plain("nothing"), f"all of {', '.join(_KEYS)}")
    for key, most in _MOST.items():
        if not isinstance(data[key], int) or isinstance(data[key], bool) or not 1 <= data[key] <= most:
            raise InputError(where, key, data[key], f"a whole number from 1 to {most:,}")
    for key in _TEXT:
        if not isinstance(data[key], str):
            raise InputError(where, key, data[key], "text")
    for key in ("coupling", "popularity_skewness"):
        if not _is_number(data[key]):
            raise InputError(where, key, data[key], "a number")
    values: dict[str, Any] = {key: data[key] for key in _KEYS if key != "layers"}
    values |= {key: _per_layer(data[key], int(data["layers"]), where, key) for key in _PER_LAYER}
    return LatentParameters(**values, where=str(where))


def _per_layer(value: Any, layers: int, where: object, key: str) -> F64:
    """One number for all layers, or one for each."""
    if _is_number(value):
        return np.full(layers, float(value))
    if not isinstance(value, list) or len(value) != layers or not all(map(_is_number, value)):
        raise InputError(where, key, value, f"a number, or {layers} numbers, one for each MoE layer")
    return np.array(value, np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
