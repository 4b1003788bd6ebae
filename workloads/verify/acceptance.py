"""How many drafted tokens each step accepts: drawn, or as a file says.

A file has a line for each step with a whole number for each sequence, separated by commas: how many of its drafted
tokens were accepted. Empty lines and what follows a ``#`` do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.experiment import Experiment, VerifyChoice, Workload
from moe_cosim.plain_file import read_plain
from moe_cosim.workloads.verify.decode_steps import DecodeSteps

I64 = NDArray[np.int64]

_STREAM: Final = 0x76657269
"""Of the seed's random numbers, those for acceptance."""
_FIELD: Final = "workload.verify.acceptance"


def decode_steps(experiment: Experiment) -> DecodeSteps:
    """Of the run. `InputError` for a draft longer than the context, chances that are not one for each drafted token,
    or a file that cannot be read, says something else, or ends too early."""
    workload, where = experiment.workload, experiment.where
    chosen = workload.verify
    if chosen is None:
        return DecodeSteps.plain(workload)
    if chosen.draft_tokens > workload.context_tokens:
        allowed = f"at most the {workload.context_tokens} tokens of a sequence's context"
        raise InputError(where, "workload.verify.draft_tokens", chosen.draft_tokens, allowed)
    if isinstance(chosen.acceptance, str):
        return _of_file(workload, chosen, Path(chosen.acceptance))
    return DecodeSteps.enough(workload, drawn(workload, _chances(chosen, where), experiment.seed))


def drawn(workload: Workload, chances: Sequence[float], seed: int) -> I64:
    """[decoded tokens, sequences] of as many steps as there may be. A drafted token whose number of the seed is below
    its position's chance is accepted if those before it were: with higher chances no step accepts fewer."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM,))))
    good = rng.random((workload.decoded_tokens, workload.batch, len(chances))) < np.array(chances)
    accepted: I64 = np.logical_and.accumulate(good, axis=2).sum(axis=2, dtype=np.int64)
    return accepted


def expected_tokens(chances: Sequence[float]) -> float:
    """Tokens that a step yields of a sequence on average. With one chance a for k positions that is
    (1 - a^(k+1)) / (1 - a) (Leviathan et al. 2023, arXiv 2211.17192, equation 1)."""
    return 1.0 + float(np.cumprod(chances).sum())


def _chances(chosen: VerifyChoice, where: object) -> Sequence[float]:
    """[draft tokens]."""
    if not isinstance(chosen.acceptance, tuple):
        assert not isinstance(chosen.acceptance, str)
        return [chosen.acceptance] * chosen.draft_tokens
    if len(chosen.acceptance) != chosen.draft_tokens:
        found = Plain(f"{len(chosen.acceptance)} positions")
        raise InputError(where, _FIELD, found, f"{chosen.draft_tokens}, one for each drafted token")
    return chosen.acceptance


def _of_file(workload: Workload, chosen: VerifyChoice, path: Path) -> DecodeSteps:
    try:
        text = read_plain(path).decode()
    except (OSError, ValueError) as error:
        raise InputError(path, _FIELD, what_failed(error), "a text file of whole numbers") from None
    rows = [_row(line, number, workload, chosen, path) for number, line in enumerate(text.splitlines(), 1)]
    accepted = np.array([row for row in rows if row], np.int64).reshape(-1, workload.batch)
    steps = DecodeSteps.enough(workload, accepted)
    if steps.yielded_tokens < steps.tokens:
        found = Plain(f"{steps.count} steps that yield {steps.yielded_tokens} tokens")
        allowed = f"steps that yield at least the {steps.tokens} tokens to be decoded (accepted ones and one more each)"
        raise InputError(path, "steps", found, allowed)
    return steps


def _row(line: str, number: int, workload: Workload, chosen: VerifyChoice, path: Path) -> list[int]:
    """What one step accepts of each sequence; nothing for an empty line."""
    texts = [text.strip() for text in line.partition("#")[0].split(",")]
    if texts == [""]:
        return []
    if len(texts) != workload.batch:
        allowed = f"{workload.batch}, one for each sequence of the batch"
        raise InputError(path, f"line {number}", Plain(f"{len(texts)} numbers"), allowed)
    for text in texts:
        if not (text.isascii() and text.isdigit() and int(text[:10]) <= chosen.draft_tokens):
            allowed = f"a whole number from 0 to the {chosen.draft_tokens} drafted tokens"
            raise InputError(path, f"line {number}", text, allowed)
    return [int(text) for text in texts]
