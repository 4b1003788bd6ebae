"""Readers of recorded routing, chosen by what is in the file, never by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, Recording, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.recorded.trace import Trace

__all__ = ["AUTO", "format_of", "read_recording", "read_trace"]

AUTO: Final = "auto"
"""The format is what the file says."""


def read_recording(path: Path, format_name: str = AUTO, router: ModelRouter | None = None) -> Recording:
    """What is in `path` (docs/routing.md lists the formats).

    `router` is the model's, needed for formats that do not say how many experts a token has. Raises
    `InputError` for a file that is not wholly what it should be; runs no code from it.
    """
    content = Content(path)
    name = format_of(content, router) if format_name == AUTO else format_name
    return trace_formats.get(name, path, "routing.format")().read(content, router)


def read_trace(path: Path, format_name: str = AUTO, top_k: int | None = None) -> TokenTrace:
    """The same of a file that holds tokens, all of them in memory. Raises `InputError` for one of counts."""
    recording = read_recording(path, format_name, None if top_k is None else ModelRouter(top_k))
    if not isinstance(recording, Trace):
        raise InputError(path, "file", Plain(recording.what), "choices of single tokens")
    return recording if isinstance(recording, TokenTrace) else TokenTrace.of(recording)


def format_of(content: Content, router: ModelRouter | None) -> str:
    """The one format that the content can be. Where it can be several the user has to say. Raises `InputError` for none
    and for several.
    """
    top_k = None if router is None else router.top_k
    found = [name for name, cls in trace_formats if cls().recognises(content, top_k)]
    if not found:
        raise content.refusal()
    if len(found) > 1:
        allowed = f"--format (routing.format) {' or '.join(found)}" + (
            "" if router else ", or --model to tell them apart"
        )
        raise InputError(content.path, "routing.format", Plain(f"what may be {' or '.join(found)}"), allowed)
    return found[0]
