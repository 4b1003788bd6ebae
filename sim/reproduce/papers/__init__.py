"""Reproductions, one file per publication."""
