"""Sweeps on clusters: Slurm, PBS Pro, LSF and Flux behind one interface."""
