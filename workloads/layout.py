"""Where everything but the routed experts lies: dense weights, keys and values, activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.experiment import Workload
from moe_cosim.workloads.address_map import ALIGNMENT_BYTES, AddressMap, aligned
from moe_cosim.workloads.batching.batching import WHOLE, Batching
from moe_cosim.workloads.batching.places import HostPlaces, place_dense, place_kv
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.quantization.precisions import PartFormats
from moe_cosim.workloads.stripes import STRIPED, Stripes

ACTIVATION_BYTES = 2
"""Activations are 16-bit in every system modelled."""


@dataclass(frozen=True)
class CrossLayout:
    """Cross-attention of an encoder-decoder in the GPU's memory; arrays are [layers] of the model, and those of the
    encoder have nothing.
    """

    weights: NDArray[np.int64]
    """The matrices of queries and output, behind them those of keys and values."""
    query_bytes: int
    key_bytes: int
    kv: NDArray[np.int64]
    """Keys and values of the whole prompt."""
    kv_bytes_per_token: int


@dataclass(frozen=True)
class ModelLayout:
    """Start addresses and sizes in bytes in the GPU's memory; arrays are [layers] of the model."""

    attention: NDArray[np.int64]
    attention_bytes: NDArray[np.int64]
    kv: NDArray[np.int64]
    kv_bytes_per_token: NDArray[np.int64]
    """Of one sequence in a layer, without index keys."""
    index_bytes_per_token: NDArray[np.int64]
    state_bytes: NDArray[np.int64]
    """Of one sequence in a layer, however long it is."""
    router: NDArray[np.int64]
    router_bytes: int
    ffn: NDArray[np.int64]
    """Shared experts of MoE layers, the dense feed-forward of the others."""
    shared_bytes: int
    dense_ffn_bytes: int
    embedding: int
    embedding_bytes: int
    head: int
    head_bytes: int
    activations: dict[str, int]
    """Scratch address per memory: rows of activations on their way."""
    activation_bytes: dict[str, int]
    """Room for them; of a memory that has less than all rows take, what it has."""
    kv_stripes: Stripes | None = None
    """Where `kv` is striped: the sequences dealt evenly over these memories. None: in the GPU's memory."""
    attention_units: tuple[str, ...] = ()
    """Who attends in decode, each to the sequences beside it; none: the GPU."""
    kv_page_bytes: int = 0
    """Contiguous keys and values of one sequence in a layer, where they are striped; 0: all of them."""
    cross: CrossLayout | None = None
    batching: Batching = WHOLE
    prompt_scores: int = 0
    """Address of what attention on the GPU keeps of a prompt's micro-batch, where it keeps any."""
    host: HostPlaces | None = None
    """What of the above leaves the GPU's memory by `batching`: sizes count all, addresses are of what stays."""


def place_model(
    model: Model,
    workload: Workload,
    formats: PartFormats,
    addresses: AddressMap,
    gpu_memory: str,
    others: list[str],
    kv_memories: tuple[str, ...] = (),
    attention_units: tuple[str, ...] = (),
    kv_page_tokens: int = 0,
    batching: Batching = WHOLE,
    host: str | None = None,
    cpu: str | None = None,
) -> ModelLayout:
    """Give out the regions; `InputError` where the dense part alone does not fit.

    Keys and values lie in the GPU's memory (of layers with a sliding window no more than the window), or striped over
    `kv_memories` in pages of so many tokens of a sequence. `others` get scratch for activations, as far as they have
    room for it. By `batching` a part of the dense weights, and of keys and values, lies in the memory `host`, where the
    unit `cpu` attends.
    """
    router_bytes = ACTIVATION_BYTES * model.router_weights
    matrices = model.expert.matrices
    shared_bytes = formats.shared.bytes_of(matrices * model.hidden * model.shared_intermediate)
    dense_ffn_bytes = formats.shared.bytes_of(matrices * model.hidden * model.dense_intermediate)
    embedding_bytes = formats.embedding.bytes_of(model.vocab * model.hidden)
    head_bytes = formats.head.bytes_of(model.vocab * model.hidden)
    sparse = np.isin(np.arange(model.layers), model.moe_layers)

    def per_layer(name: str, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([addresses.take(name, gpu_memory, int(size)).address for size in sizes], dtype=np.int64)

    def of_attention(size: Callable[[Attention], int]) -> NDArray[np.int64]:
        return np.array([size(each) for each in model.attention_by_layer], dtype=np.int64)

    same = np.ones(model.layers, dtype=np.int64)
    attention_bytes = of_attention(lambda each: formats.attention.bytes_of(each.projection_weights(model.hidden)))
    kv_per_token = of_attention(lambda each: formats.kv.bytes_of(each.kv_values_per_token))
    index_per_token = of_attention(lambda each: formats.kv.bytes_of(each.index_values_per_token))
    decodes = np.arange(model.layers) >= model.encoder_layers
    kv_per_token *= decodes  # an encoder keeps nothing
    # states are 16-bit as activations are
    state_bytes = of_attention(lambda each: ACTIVATION_BYTES * each.state_values)
    embedding = addresses.take("embedding", gpu_memory, embedding_bytes).address
    ffn_bytes = np.where(sparse, shared_bytes, dense_ffn_bytes)
    share = 1 - batching.dense_resident
    dense, kept_attention, kept_ffn, kept_head = None, attention_bytes, ffn_bytes, head_bytes
    if host is not None and share > 0:
        own_head = 0 if model.tied_embeddings else head_bytes
        dense = place_dense(addresses, gpu_memory, host, share, attention_bytes, ffn_bytes, own_head)
        kept_attention, kept_ffn = attention_bytes - dense.attention_bytes, ffn_bytes - dense.ffn_bytes
        kept_head -= dense.head_bytes
    head = embedding if model.tied_embeddings else addresses.take("head", gpu_memory, kept_head).address
    micro_batches = batching.sizes(workload.batch)
    parts = [batching.split(size) for size in micro_batches]
    # hidden states of a prompt's other micro-batches wait in host memory
    rows_each = max(model.top_k, 1)
    of_prompt_rows = micro_batches[0] * workload.prompt_tokens * (batching.rows_per_token or rows_each)
    rows = max(of_prompt_rows, workload.batch * workload.queries * rows_each)
    scratch = ACTIVATION_BYTES * rows * model.hidden
    kept = model.kept_tokens(np.arange(model.layers), model.cached_tokens(workload))
    drafted = workload.drafted_tokens  # the last step may write them behind all that is kept
    kv_stripes, kv = None, None
    if kv_memories:
        kv_bytes = int(kv_per_token[0]) * workload.batch * (workload.context_tokens + workload.drafted_tokens)
        part = aligned(-(-kv_bytes // len(kv_memories)))
        starts = [addresses.take("KV cache", memory, part * model.layers).address for memory in kv_memories]
        kv_stripes, kv = Stripes(kv_memories, tuple(starts)), STRIPED + part * np.arange(model.layers, dtype=np.int64)
    attention = per_layer("attention weights", kept_attention)
    sequence_bytes = (kv_per_token + index_per_token) * (kept + drafted) + state_bytes
    if kv is None:
        kv = per_layer("KV cache", int(sum(part.resident for part in parts)) * sequence_bytes)
    kv_home = None
    if host is not None and any(part.at_host for part in parts):
        of_prompt = int(kv_per_token[0]) * int(model.kept_tokens(0, workload.prompt_tokens))
        room = int(sequence_bytes.max())
        of_token = max(model.attention.prompt_query_bytes(ACTIVATION_BYTES))  # what is attended takes their place
        queries = workload.prompt_tokens * of_token if batching.cpu_prefill else 0
        kv_home = place_kv(addresses, gpu_memory, host, parts, model.layers, room, of_prompt, queries)
    router = per_layer("router weights", same * router_bytes)
    ffn = per_layer("shared and dense FFN", kept_ffn)
    attending = max(part.all - (part.on_cpu if batching.cpu_prefill else 0) for part in parts)
    kept_scores = score_bytes(model, workload, batching, attending)
    prompt_scores = addresses.take("attention scores", gpu_memory, kept_scores).address if kept_scores else 0
    rooms = {gpu_memory: addresses.take("activations", gpu_memory, scratch)}
    if host is not None:
        prompts = ACTIVATION_BYTES * workload.batch * workload.prompt_tokens * model.hidden
        rooms[host] = addresses.take("activations", host, prompts)
    for memory in others:
        if memory not in rooms:
            rooms[memory] = addresses.take("activations", memory, min(scratch, _whole_pages(addresses, memory)))
    return ModelLayout(
        attention=attention,
        attention_bytes=attention_bytes,
        kv=kv,
        kv_bytes_per_token=kv_per_token,
        index_bytes_per_token=index_per_token,
        state_bytes=state_bytes,
        router=router,
        router_bytes=router_bytes,
        ffn=ffn,
        shared_bytes=shared_bytes,
        dense_ffn_bytes=dense_ffn_bytes,
        embedding=embedding,
        embedding_bytes=embedding_bytes,
        head=head,
        head_bytes=head_bytes,
        activations={memory: taken.address for memory, taken in rooms.items()},
        activation_bytes={memory: taken.size_bytes for memory, taken in rooms.items()},
        kv_stripes=kv_stripes,
        attention_units=attention_units,
        kv_page_bytes=kv_page_tokens * int(kv_per_token[0]) if kv_memories else 0,
        cross=_place_cross(model, workload, formats, per_layer, decodes) if model.encoder_layers else None,
        batching=batching,
        prompt_scores=prompt_scores,
        host=None if host is None else HostPlaces(host, dense, kv_home, cpu),
    )


def score_bytes(model: Model, workload: Workload, batching: Batching, sequences: int) -> int:
    """What attention on the GPU keeps of so many prompts."""
    pairs = sequences * model.attention.heads * workload.prompt_tokens**2
    return int(batching.prompt_score_bytes * pairs)


def _place_cross(
    model: Model,
    workload: Workload,
    formats: PartFormats,
    per_layer: Callable[[str, NDArray[np.int64]], NDArray[np.int64]],
    decodes: NDArray[np.bool_],
) -> CrossLayout:
    query_bytes, key_bytes = (
        formats.attention.bytes_of(sum(inner * columns for inner, columns in products))
        for products in model.attention.cross_products(model.hidden)
    )
    kv_per_token = formats.kv.bytes_of(model.attention.kv_values_per_token)
    kv_bytes = kv_per_token * workload.batch * workload.prompt_tokens
    weights = per_layer("cross-attention weights", decodes * (query_bytes + key_bytes))
    kv = per_layer("keys and values of the encoder", decodes * kv_bytes)
    return CrossLayout(weights, query_bytes, key_bytes, kv, kv_per_token)


def _whole_pages(addresses: AddressMap, memory: str) -> int:
    """Bytes still free in whole pages."""
    return addresses.free_bytes(memory) // ALIGNMENT_BYTES * ALIGNMENT_BYTES
