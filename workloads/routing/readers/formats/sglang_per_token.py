"""sglang's recorder in its mode per_token: the ids of every token of every pass.

A dump does not say which request a token belongs to. Prompts are told by the lengths of what a pass extends; any other
token goes on with the sequence, of the same rank, whose next position it has (the one longest at rest if several have),
and begins a document where none has.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import as_expert_ids
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.formats.sglang_records import array_of, has_records, logical_map, records_of
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

_KEY = "topk_ids_of_layer"


@trace_formats.register("sglang-per-token")
class SglangPerToken(TraceFormat):
    summary = "ids [layers, tokens, k] of every pass, put together to sequences by their positions"
    written_by = "SGLang's expert distribution recorder (mode per_token): the .pt itself, or as JSON"
    known_by = "`records` with `topk_ids_of_layer`"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return has_records(content, _KEY)

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        ids: list[NDArray[np.int64]] = []
        documents = _Documents()
        for number, record in enumerate(records_of(content)):
            at = f"record {number}"
            found = array_of(record, _KEY, 3, at, content).swapaxes(0, 1)
            if ids and found.shape[1:] != ids[0].shape[1:]:
                raise InputError(content.path, f"{at} {_KEY}", Plain(f"shape {found.shape}"), "as in the first record")
            documents.add(record, len(found), at, content)
            ids.append(found)
        experts = np.concatenate(ids)
        order, offsets = documents.ordered()
        return _trace(experts[order], offsets, content)


def _trace(physical: NDArray[np.int64], offsets: NDArray[np.int64], content: Content) -> TokenTrace:
    """`physical` [tokens, layers, k]; layers without experts (-1 everywhere) are left out."""
    layers = np.flatnonzero((physical != -1).any(axis=(0, 2)))
    if not len(layers) or int(physical[:, layers].min()) < 0:
        found = Plain("no ids" if not len(layers) else "tokens without experts (-1)")
        raise InputError(content.path, _KEY, found, "ids of every token in every layer with experts")
    to_logical = logical_map(content, physical.shape[1])
    if to_logical is not None:
        if int(physical.max()) >= to_logical.shape[1]:
            raise InputError(
                content.path, _KEY, int(physical.max()), f"ids below {to_logical.shape[1]}, as the map has"
            )
        physical = np.stack([to_logical[layer][physical[:, layer]] for layer in layers], axis=1)
    else:
        physical = physical[:, layers]
    experts = as_expert_ids(physical, content.path, _KEY)
    known = to_logical is not None
    count = int(to_logical.max() if to_logical is not None else experts.max()) + 1
    return TokenTrace(experts, None, offsets, count, num_experts_known=known, where=str(content.path))


class _Documents:
    """Which tokens belong together, pass after pass."""

    def __init__(self) -> None:
        self._tokens: list[list[int]] = []
        """Of each document, the numbers of its tokens."""
        self._waiting: dict[tuple[Any, int], deque[int]] = defaultdict(deque)
        """By rank and next position: documents that may go on there."""
        self._count = 0

    def add(self, record: Mapping[str, Any], tokens: int, at: str, content: Content) -> None:
        positions = array_of(record, "positions", 1, at, content)
        if len(positions) < tokens:
            raise InputError(
                content.path, f"{at} positions", Plain(f"{len(positions)} values"), f"{tokens}, one a token"
            )
        rank, first, ended = record.get("rank", 0), self._count, []
        for start, stop in _stretches(record, tokens, at, content):
            waiting = self._waiting[rank, int(positions[start])]
            if waiting:
                document = waiting.popleft()
            else:
                document = len(self._tokens)
                self._tokens.append([])
            self._tokens[document].extend(range(first + start, first + stop))
            ended.append((int(positions[stop - 1]) + 1, document))
        for position, document in ended:  # after the pass: no sequence has two parts in one
            self._waiting[rank, position].append(document)
        self._count += tokens

    def ordered(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens in the order of their documents, and where each document starts."""
        lengths = [len(one) for one in self._tokens]
        return np.concatenate([np.array(one, np.int64) for one in self._tokens]), np.cumsum([0, *lengths])


def _stretches(record: Mapping[str, Any], tokens: int, at: str, content: Content) -> Iterator[tuple[int, int]]:
    """Which tokens of a pass are one sequence's: all that it extends, or one each."""
    if record.get("extend_seq_lens") is None:
        yield from ((token, token + 1) for token in range(tokens))
        return
    lengths = array_of(record, "extend_seq_lens", 1, at, content)
    if int(lengths.sum()) != tokens or bool((lengths < 0).any()):
        raise InputError(
            content.path, f"{at} extend_seq_lens", Plain(f"{lengths.sum()} in all"), f"{tokens} tokens in all"
        )
    stop = 0
    for length in lengths.tolist():
        if length:
            yield stop, stop + length
        stop += length
