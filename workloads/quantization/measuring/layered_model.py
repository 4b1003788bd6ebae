"""A transformers model of which one layer at a time is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moe_cosim.errors import InputError, Plain, one_line
from moe_cosim.extras import load
from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder
from moe_cosim.workloads.quantization.measuring.experts import LayerExperts

if TYPE_CHECKING:
    from torch import Tensor

_TOKENS_AT_ONCE: Final = 2048
"""Of one call of a layer: bounds what attention and experts hold."""
_RENAMED: Final = {"mlp.gate.": "block_sparse_moe.gate."}
"""Names of modules, and of tensors in Mixtral's files."""


class LayeredModel:
    """The layers are transformers' own modules, their weights read when they run; experts are ours, so that they
    stay as stored and can be looked at. Computes in 32 bits."""

    def __init__(self, folder: CheckpointFolder) -> None:
        """Raises `InputError` for what transformers cannot build or experts it holds otherwise than since version 5."""
        import torch

        transformers = load("transformers", "calibration", "quantize")
        self._folder = folder
        try:
            config = transformers.AutoConfig.from_pretrained(folder.folder, local_files_only=True)
            config.quantization_config = None
            with torch.device("meta"):
                model = transformers.AutoModelForCausalLM.from_config(
                    config, dtype=torch.float32, attn_implementation="eager"
                )
        except Exception as error:  # whatever a configuration makes a library of others raise
            found = Plain(one_line(f"{type(error).__name__}: {error}"))
            raise InputError(folder.folder / "config.json", "model", found, "one that transformers builds") from None
        self.config = config
        self._model = model.eval()
        self._layers = model.model.layers
        for layer in folder.layers:
            if not hasattr(getattr(self._layers[layer].mlp, "experts", None), "down_proj"):
                raise InputError("calibration", "environment", Plain("an older transformers"), "transformers 5")
        self._keywords: list[dict[str, Any]] = []

    def embed(self, ids: Tensor) -> Tensor:
        """float32 [sequences, tokens, hidden] of ids [sequences, tokens]."""
        base = self._model.model
        table = self._folder.shards.tensor(self._name("embed_tokens.weight")).float()
        rotary = getattr(base, "rotary_emb", None)
        if rotary is not None:
            base.rotary_emb = type(rotary)(self.config)
        hidden = table[ids]
        self._keywords = self._caught(hidden[:1])
        return hidden

    def run(self, layer: int, hidden: Tensor, experts: LayerExperts | None, seen: list[Any] | None = None) -> Tensor:
        """`hidden` [sequences, tokens, hidden] behind a layer; its routed inputs, choices and gates go to `seen`."""
        import torch

        module = self._layers[layer]
        chunk = max(1, _TOKENS_AT_ONCE // hidden.shape[1])
        if experts is not None:
            module.mlp.experts = _watched(experts, seen)
        parts = []
        for start in range(0, len(hidden), chunk):
            output = module(hidden[start : start + chunk], **self._keywords[layer])
            parts.append(output[0] if isinstance(output, tuple) else output)
        return torch.cat(parts)

    def load(self, layer: int) -> LayerExperts | None:
        """Read a layer's weights, and its experts where it has any."""
        prefix = self._folder.prefix(layer)
        module = self._layers[layer]
        routed = layer in self._folder.layers
        wanted = {name for name in module.state_dict() if not (routed and name.startswith("mlp.experts."))}
        self._fill(module, wanted, prefix)
        return LayerExperts(self._folder, layer, self.config) if routed else None

    def drop(self, layer: int) -> None:
        """Forget a layer's weights."""
        self._layers[layer].to("meta")

    def losses(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """[sequences] mean loss in nats of each next token, of what the last layer gave."""
        import torch

        norm = self._model.model.norm
        self._fill(norm, set(norm.state_dict()), self._name("norm."))
        tied = "lm_head.weight" not in self._folder.shards
        head = self._folder.shards.tensor(self._name("embed_tokens.weight") if tied else "lm_head.weight").float()
        found = []
        for states, tokens in zip(hidden, ids, strict=True):
            logits = norm(states[:-1]) @ head.T
            found.append(torch.nn.functional.cross_entropy(logits, tokens[1:]))
        return torch.stack(found)

    def _caught(self, hidden: Tensor) -> list[dict[str, Any]]:
        """What the model passes to each layer beside the hidden states, of one sequence."""
        caught: list[dict[str, Any]] = []
        forwards = [module.forward for module in self._layers]

        def catch(states: Tensor, *others: Any, **keywords: Any) -> Tensor:
            caught.append(keywords)
            return states

        norm = self._model.model.norm
        kept, norm.forward = norm.forward, lambda states: states
        for module in self._layers:
            module.forward = catch
        try:
            self._model.model(inputs_embeds=hidden, use_cache=False)
        finally:
            norm.forward = kept
            for module, forward in zip(self._layers, forwards, strict=True):
                module.forward = forward
        return caught

    def _fill(self, module: Any, names: set[str], prefix: str) -> None:
        tensors = {}
        for name in sorted(names):
            stored = prefix + name
            if stored not in self._folder.shards:
                for ours, theirs in _RENAMED.items():
                    stored = prefix + name.replace(ours, theirs)
            tensors[name] = self._folder.shards.tensor(stored).float()
        for name, tensor in tensors.items():
            expected = tuple(module.state_dict()[name].shape)
            if tuple(tensor.shape) != expected:
                found = Plain(str(list(tensor.shape)))
                raise InputError(self._folder.folder, prefix + name, found, f"{list(expected)}, as config.json says")
        module.load_state_dict(tensors, strict=False, assign=True)

    def _name(self, name: str) -> str:
        first = self._folder.prefix(0)
        return first[: first.rindex("layers.")] + name


def _watched(experts: LayerExperts, seen: list[Any] | None) -> Any:
    """A module in the place of transformers' own experts."""
    import torch

    class Watched(torch.nn.Module):  # type: ignore[misc]
        def forward(self, hidden: Tensor, chosen: Tensor, gates: Tensor) -> Tensor:
            if seen is not None:
                seen.append((hidden, chosen, gates.float()))
            return experts(hidden, chosen, gates)

    return Watched()
