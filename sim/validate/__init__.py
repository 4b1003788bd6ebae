"""Predictions held against measured machines: kernels, whole systems, served models."""
