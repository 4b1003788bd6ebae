"""Kernel-time models of the units."""
