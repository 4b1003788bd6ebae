"""How much is asked of the machine: sequences side by side, prompt and output lengths."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """`batch` sequences of `prompt_tokens`, each answered with `output_tokens`."""

    batch: int
    prompt_tokens: int
    output_tokens: int
    skipped_tokens: int = 0
    """Output tokens taken as generated already when decode begins: a short run then measures a stretch
    of a long one, with as many keys and values."""

    @property
    def decode_steps(self) -> int:
        """The prefill yields each sequence's first token; every further one takes a step."""
        return self.output_tokens - 1

    @property
    def decode_context(self) -> int:
        """Tokens of one sequence behind the first decode step's own, less one."""
        return self.prompt_tokens + self.skipped_tokens

    @property
    def context_tokens(self) -> int:
        """Tokens of one sequence whose keys and values are kept at the end."""
        return self.prompt_tokens + self.skipped_tokens + self.output_tokens

    @property
    def generated_tokens(self) -> int:
        return self.batch * self.output_tokens
