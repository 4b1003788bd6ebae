"""Sweeps: many experiments, each computed once, kept in a store that any number of processes may write."""
