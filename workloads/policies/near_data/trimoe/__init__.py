"""TriMoE (DAC 2026, arXiv 2603.01058)."""
