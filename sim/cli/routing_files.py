"""What a recording is, and the same written in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, what_failed
from moe_cosim.sim.cli.routing_stats import read_file
from moe_cosim.workloads.limits import check_routing_size
from moe_cosim.workloads.routing.readers import AUTO, format_of
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, Recording
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.saved import save_recording
from moe_cosim.workloads.routing.recorded.trace import Trace


def recording_document(path: str, model: str | None, format_name: str) -> dict[str, Any]:
    """Facts by name. Raises `InputError`."""
    recording, router = read_file(path, model, format_name)
    return _facts(recording, _format(path, format_name, router))


def convert_recording(path: str, out: str, model: str | None, format_name: str) -> dict[str, Any]:
    """Write `out`, whole or not at all; facts about it. Raises `InputError`."""
    recording, router = read_file(path, model, format_name)
    if isinstance(recording, Trace):
        check_routing_size(recording.tokens, recording.layers, recording.top_k, path)
    try:
        save_recording(recording, Path(out))
    except OSError as error:
        raise InputError(out, "file", what_failed(error), "a file that can be written") from None
    return {"written": out, **_facts(recording, _format(path, format_name, router))}


def _format(path: str, format_name: str, router: ModelRouter | None) -> str:
    return format_name if format_name != AUTO else format_of(Content(Path(path)), router)


def _facts(recording: Recording, format_name: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"format": format_name, "holds": recording.what, "layers": recording.layers}
    if isinstance(recording, Trace):
        known = "" if recording.num_experts_known else " at least"
        return facts | {
            f"experts{known}": recording.num_experts,
            "experts_per_token": recording.top_k,
            "documents": recording.documents,
            "tokens": recording.tokens,
            "longest_document": int(recording.lengths.max()),
            "gate_weights": recording.has_weights,
            "prompts": "not in the file" if recording.prompt_tokens is not None else "as any other tokens",
            "kinds_of_text": len(set(recording.domains)) if recording.domains is not None else 0,
        }
    facts["experts"] = recording.num_experts
    if isinstance(recording, BatchCounts):
        facts |= {"experts_per_token": recording.top_k, "steps": recording.steps, "sizes": recording.sizes()}
    return facts
