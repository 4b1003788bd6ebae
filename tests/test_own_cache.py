"""What a run of the tests keeps between processes is its own: another state's answers would be believed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path


def test_answers_are_kept_apart_from_the_users() -> None:
    own = user_cache_path("moe-cosim")
    assert not (own / "dram").is_symlink()
    assert all((own / compiled).is_symlink() for compiled in ("kernels", "sst"))
    assert not own.is_relative_to(Path.home() / ".cache")
    asked = [sys.executable, "-c", "import platformdirs; print(platformdirs.user_cache_path('moe-cosim'))"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert found.stdout.strip() == str(own)
