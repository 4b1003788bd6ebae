"""How much is asked of the machine: sequences side by side, prompt and output lengths."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """`batch` sequences of `prompt_tokens`, each answered with `output_tokens`."""

    batch: int
    prompt_tokens: int
    output_tokens: int

    @property
    def decode_steps(self) -> int:
        """The prefill yields each sequence's first token; every further one takes a step."""
        return self.output_tokens - 1

    @property
    def context_tokens(self) -> int:
        """Tokens of one sequence whose keys and values are kept at the end."""
        return self.prompt_tokens + self.output_tokens

    @property
    def generated_tokens(self) -> int:
        return self.batch * self.output_tokens
