"""Running the schedulers' programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moe_cosim.errors import RunError

_PATIENCE_S: Final = 120.0  # a busy controller answers late; past this it is taken for dead


@dataclass(frozen=True)
class Answer:
    """What a scheduler's program said."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line of what went wrong."""
        lines = [line for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self.status}, and not a word"


class CommandRunner:
    """Runs a program to its end. Tests put another in its place."""

    def __call__(self, argv: Sequence[str], folder: Path | None = None, stdin: str | None = None) -> Answer:
        """`stdin` names a file in `folder`. `RunError` when the program is not there or does not answer."""
        text = (folder or Path()).joinpath(stdin).read_bytes() if stdin is not None else b""
        environ = dict(os.environ, LC_ALL="C.UTF-8")  # the words we read are the untranslated ones
        try:
            done = subprocess.run(
                list(argv), input=text, capture_output=True, cwd=folder, env=environ, timeout=_PATIENCE_S, check=False
            )
        except FileNotFoundError:
            raise RunError(f"{argv[0]}: no such program here; is this a login node of the cluster?") from None
        except subprocess.TimeoutExpired:
            raise RunError(f"{argv[0]}: no answer within {_PATIENCE_S:.0f} s") from None
        except OSError as error:
            raise RunError(f"{argv[0]}: {error.strerror}") from None
        return Answer(done.returncode, _text(done.stdout), _text(done.stderr))

    def checked(self, argv: Sequence[str], folder: Path | None = None, stdin: str | None = None) -> str:
        """What it printed; `RunError` with its complaint when it failed."""
        answer = self(argv, folder, stdin)
        if answer.status != 0:
            raise RunError(f"{argv[0]}: {answer.complaint}")
        return answer.out


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
