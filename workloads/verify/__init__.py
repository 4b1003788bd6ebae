"""Speculative decoding: decode steps that verify several tokens of each sequence at once."""
