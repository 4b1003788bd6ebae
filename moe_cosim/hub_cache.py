"""Models by their names on the Hugging Face hub: looked up in the local cache, never downloaded."""

from __future__ import annotations

import os
import re
from pathlib import Path


def is_hub_name(text: str) -> bool:
    """``organisation/name``, as on the hub, and no file's name."""
    is_name = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text) is not None
    return is_name and not text.endswith((".json", ".yaml", ".yml", ".gguf"))


def cached_snapshot(hub_name: str) -> Path | None:
    """The folder of the local cache that has the ``config.json`` of ``organisation/name``: of its main branch, or of
    the only revision there is."""
    repository = _cache() / f"models--{hub_name.replace('/', '--')}"
    snapshots = repository / "snapshots"
    try:
        found = [each for each in sorted(snapshots.iterdir()) if (each / "config.json").is_file()]
        main = (repository / "refs" / "main").read_text(encoding="utf-8").strip() if len(found) > 1 else ""
    except (OSError, UnicodeDecodeError):
        return None
    chosen = [each for each in found if len(found) == 1 or each.name == main]
    return chosen[0] if chosen else None


def _cache() -> Path:
    """As huggingface_hub looks for it."""
    for variable, inside in (("HF_HUB_CACHE", ""), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub")):
        if os.environ.get(variable):
            return Path(os.path.expanduser(os.environ[variable])) / inside
    return Path(os.path.expanduser("~/.cache/huggingface/hub"))
