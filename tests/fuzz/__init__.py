"""Inputs made wrong on purpose: what a stranger may send, and what must never come of it (docs/hostile-input.md)."""
