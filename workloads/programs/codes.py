"""What the small numbers in a program's records stand for; others have them from `workloads/programs/program.py`."""

from __future__ import annotations

from typing import Final

COMPUTE: Final = 0
STREAM: Final = 1
COPY: Final = 2
SIGNAL: Final = 3
WAIT: Final = 4
KINDS: Final = ("compute", "stream", "copy", "signal", "wait")

READ: Final = 0
WRITE: Final = 1

CONTENTS: Final = ("weights", "activations", "kv")
