"""Routing taken from a recorded trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.options import Options, option
from moe_cosim.workloads.routing.readers import AUTO, read_recording
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, Recording, trace_formats
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.counts_drawn import PROMPT_OF_COUNTS, draw_counts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.recorded.trace import Trace
from moe_cosim.workloads.routing.routing import Routing, RoutingShape, RoutingSource, routers

SHORT_DOCUMENTS: Final = Assumption(
    name="routing-short-documents",
    value="same-domain",
    range=("same-domain", "wrap"),
    source=(
        "a document shorter than prompt and output goes on with another of its domain (a new topic starts), "
        "or from its own beginning (locality and skew are overstated); traces of long outputs are rare"
    ),
    dimension="choice",
)

GENERATED_AS_PROMPT: Final = Assumption(
    name="routing-generated-as-prompt",
    value="head",
    range=("head",),
    source=(
        "the trace holds generated tokens only, so the head of each document stands for the prompt; "
        "a real prompt differs more from its output than one part of an output from the next"
    ),
    dimension="choice",
)


REPEATED: Final = Assumption(
    name="routing-repeated-documents",
    value="repeat",
    range=("repeat",),
    source=(
        "there are more sequences than windows in the trace, so some route alike, token by token: "
        "a batch touches fewer experts than sequences of different texts would"
    ),
    dimension="choice",
)


class TraceOptions(Options):
    """Which recording, and what to do where it is short."""

    file: str = option(..., "the recorded trace", allowed="the path of a routing trace")
    repeat: bool = option(False, "sequences beyond what the trace holds repeat others, token by token")
    format: str = option(
        AUTO,
        "how it is written; auto: what the file says",
        allowed="auto, or a trace format (moe-cosim list trace-formats)",
    )


@routers.register("trace")
class TraceSource(RoutingSource):
    """Each sequence is a window of a document, drawn with the seed: first windows of those that are long enough, then
    of the short ones, then the windows after them. No token is read by two sequences as their own beginning unless told
    to `repeat`. The first tokens are read as the prompt, the next ones decoded one by one.
    """

    summary: ClassVar[str] = "recorded routing: per-token ids, expert counts, router logits or JSON lines"
    options_class = TraceOptions
    assumptions = (SHORT_DOCUMENTS, GENERATED_AS_PROMPT, REPEATED, PROMPT_OF_COUNTS)
    options: TraceOptions

    def __init__(self, options: Mapping[str, Any], where: object, folder: Path) -> None:
        super().__init__(options, where, folder)
        self.path, self.format = folder / self.options.file, self.options.format
        if self.format != AUTO:
            trace_formats.get(self.format, where, "routing.format")

    def draw(self, shape: RoutingShape, seed: int, assumptions: Assumptions) -> Routing:
        trace = read_recording(self.path, self.format, ModelRouter(shape.top_k, shape.router_score))
        check_fits(trace, shape)
        if isinstance(trace, BatchCounts):
            return draw_counts(trace, shape, seed, assumptions, self.options.repeat)
        if isinstance(trace, ExpertPopularity):
            allowed = "a recording of tokens or steps; {source: popularity} draws tokens from these counts"
            raise InputError(self.path, "routing.source", Plain(f"trace, of a file of {trace.what}"), allowed)
        if trace.prompt_tokens is not None:
            assumptions.resolve(GENERATED_AS_PROMPT)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed)))
        need = shape.tokens_per_sequence
        documents, starts = self._choose_windows(trace, shape.sequences, need, assumptions, rng)
        wrap = True
        if bool((trace.lengths[documents] < need).any()):
            wrap = assumptions.choice(SHORT_DOCUMENTS) == "wrap"
        tokens = np.stack(
            [
                _tokens_from(trace, int(d), int(start), need, wrap, rng)
                for d, start in zip(documents, starts, strict=True)
            ]
        )
        return _routing(trace, tokens, shape, self._describe(trace, documents, need, seed))

    def _choose_windows(
        self, trace: Trace, count: int, need: int, assumptions: Assumptions, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """[count] documents and first tokens in them."""
        documents, starts = _windows(trace, need, rng)
        if count > len(documents):
            if not self.options.repeat:
                found = Plain(f"{len(documents)} windows of {need} tokens in {trace.documents} documents")
                allowed = f"{count}, one for each sequence; or routing.repeat: true, and sequences run in lockstep"
                raise InputError(trace.where, "documents", found, allowed)
            assumptions.resolve(REPEATED)
        return np.resize(documents, count), np.resize(starts, count)

    def _describe(self, trace: Trace, documents: NDArray[np.int64], need: int, seed: int) -> str:
        short = int((trace.lengths[documents] < need).sum())
        text = f"trace {self.path.name}, seed {seed}: {len(np.unique(documents))} of {trace.documents} documents"
        return f"{text} for {len(documents)} sequences, {short} continued past their end"


def check_fits(trace: Recording, shape: RoutingShape) -> None:
    """Raise `InputError` for a recording of another model."""
    if trace.layers != shape.layers:
        raise InputError(trace.where, "layers", trace.layers, f"{shape.layers}, as the model has")
    if not isinstance(trace, ExpertPopularity) and trace.top_k != shape.top_k:
        raise InputError(trace.where, "experts per token", trace.top_k, f"{shape.top_k}, as the model has")
    known = not isinstance(trace, Trace) or trace.num_experts_known
    if trace.num_experts > shape.experts or (known and trace.num_experts != shape.experts):
        raise InputError(trace.where, "experts", trace.num_experts, f"{shape.experts}, as the model has")


def _windows(trace: Trace, need: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Documents and first tokens of all windows of `need` tokens that share none: of each document its first one,
    long documents in random order before short ones, then the second ones, and so on."""
    order = rng.permutation(trace.documents)
    long_first = np.concatenate([order[trace.lengths[order] >= need], order[trace.lengths[order] < need]])
    held = np.maximum(1, trace.lengths[long_first] // need)
    place = np.repeat(np.arange(len(held)), held)
    turn = np.arange(len(place)) - np.repeat(np.cumsum(held) - held, held)
    by_turn = np.lexsort((place, turn))
    return long_first[place[by_turn]].astype(np.int64), (turn[by_turn] * need).astype(np.int64)


def _tokens_from(trace: Trace, document: int, start: int, need: int, wrap: bool, rng: np.random.Generator) -> Any:
    """[need] token numbers: the document, and what it goes on with."""
    parts = [np.arange(trace.offsets[document] + start, trace.offsets[document + 1])]
    have = len(parts[0])
    if have < need:
        others = np.array([document]) if wrap else _same_domain(trace, document)
        order = rng.permutation(others)
        turn = 0
        while have < need:
            next_one = order[turn % len(order)]
            parts.append(np.arange(trace.offsets[next_one], trace.offsets[next_one + 1]))
            have += len(parts[-1])
            turn += 1
    return np.concatenate(parts)[:need]


def _same_domain(trace: Trace, document: int) -> NDArray[np.int64]:
    """The other documents of its domain; the document itself if it is the only one."""
    domains = np.array(trace.domains) if trace.domains is not None else np.zeros(trace.documents)
    others = np.flatnonzero((domains == domains[document]) & (np.arange(trace.documents) != document))
    return others if len(others) else np.array([document])


def _routing(trace: Trace, tokens: NDArray[np.int64], shape: RoutingShape, source: str) -> Routing:
    """`tokens` [sequences, prompt + output] of the trace, split into prefill and decode."""
    experts, weights = trace.take(tokens)
    if weights is None:
        weights = np.broadcast_to(np.float32(1 / shape.top_k), experts.shape)
    prompt, decode = slice(shape.prompt_tokens), slice(shape.prompt_tokens, None)
    routing = Routing(
        prefill_experts=experts[:, prompt],
        prefill_weights=weights[:, prompt],
        decode_experts=experts[:, decode].swapaxes(0, 1),
        decode_weights=weights[:, decode].swapaxes(0, 1),
        num_experts=shape.experts,
        source=source,
    )
    routing.validate(trace.where)
    return routing
