"""What one measurement is to quantize, and on what."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.workloads.quantization.quantizers import quantizer

SEQUENCE_TOKENS: Final = 512
CALIBRATION_TOKENS: Final = 8192
DELTA_TOKENS: Final = 1024


@dataclass(frozen=True)
class Wanted:
    """Checked before anything is read."""

    folder: Path
    bits: tuple[int, ...]
    """Increasing."""
    method: str = "gptq"
    group_size: int = 128
    zero_point: bool = True
    calibration: Path | None = None
    """None: round to nearest, without data."""
    tokens: int = CALIBRATION_TOKENS
    sequence_tokens: int = SEQUENCE_TOKENS
    delta_tokens: int = DELTA_TOKENS
    """On how many of them the change of the model's loss is measured; 0: not at all."""

    def __post_init__(self) -> None:
        """Raises `InputError` for bits that the method lacks, and for too few tokens."""
        for width in self.bits:
            quantizer(self.method, width, self.group_size, self.zero_point, "quantize")
        if self.calibration is None:
            return
        if self.sequence_tokens < 2:
            raise InputError("quantize", "--sequence-tokens", self.sequence_tokens, "at least 2")
        if self.tokens < max(self.group_size, self.sequence_tokens):
            allowed = f"at least {max(self.group_size, self.sequence_tokens)}: a group of weights, and a sequence"
            raise InputError("quantize", "--tokens", self.tokens, allowed)
        if not 0 <= self.delta_tokens <= self.tokens:
            raise InputError("quantize", "--delta-tokens", self.delta_tokens, f"0 to {self.tokens} (--tokens)")

    def digest(self) -> str:
        """Equal for what would measure the same: options, the calibration's bytes, sizes and times of the weights."""
        parts: list[object] = [self.bits, self.method, self.group_size, self.zero_point]
        parts += [self.tokens, self.sequence_tokens, self.delta_tokens]
        for path in sorted([self.folder / "config.json", *self.folder.glob("*.safetensors")]):
            found = path.stat()
            parts.append((path.name, found.st_size, found.st_mtime_ns))
        if self.calibration is not None:
            parts.append(file_digest(self.calibration))
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file. Raises `InputError` for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            "quantize", "--calibration", Plain(f"{path}: {what_failed(error)}"), "a readable file"
        ) from None
