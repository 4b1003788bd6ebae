"""What ``moe-cosim accuracy`` shows."""

from __future__ import annotations

from moe_cosim.sim.accuracy.result import AccuracyResult
from moe_cosim.sim.cli.table import Column, Note, Report, Table


def accuracy_report(found: AccuracyResult) -> Report:
    """A row per arm, halves of 95 % intervals beside what they are of."""
    columns = (
        Column("arm", role="key"),
        Column("average_bits", "bits", form=".2f"),
        Column("perplexity", form=".4g"),
        Column("loss_above_16_bits", "loss above 16 bits", form=".4f"),
        Column("loss_half", "+-", form=".4f", priority=2),
        Column("divergence", form=".4f"),
        Column("divergence_half", "+-", form=".4f", priority=2),
        Column("agreement", unit="share", form=".2f"),
        Column("agreement_half", "+-", unit="share", form=".2f", priority=3),
        Column("selector_gain", "selector's gain", form=".4f", priority=1),
        Column("selector_gain_half", "+-", form=".4f", priority=1),
    )
    rows = [
        (
            arm.arm,
            arm.average_bits,
            arm.perplexity,
            arm.loss.mean,
            arm.loss.half,
            arm.divergence.mean,
            arm.divergence.half,
            arm.agreement.mean,
            arm.agreement.half,
            arm.selector_gain.mean,
            arm.selector_gain.half,
        )
        for arm in found.arms
    ]
    size = f"{found.prompts} prompts of {found.prompt_tokens} tokens, answers of {found.answer_tokens}"
    return [
        Table("arms", f"{found.experiment} on {found.model}: {size}", columns, rows),
        *(Note(f"{arm.arm}: {arm.says}", dim=True) for arm in found.arms),
        Note(f"16 bits: perplexity {found.full_perplexity:.4g}; {found.method}; losses {found.losses}"),
        Note("loss, divergence from the 16-bit model, gain: nats per token; +-: half of the 95 % interval", dim=True),
    ]
