"""Cycle-level timing of one DRAM channel: what bandwidth and latency an access pattern gets."""
