"""Hermes (HPCA 2025, arXiv 2502.16963)."""
