"""Weights of Hugging Face folders, read layer by layer (extra ``quantize``)."""

from moe_cosim.workloads.quantization.checkpoints.folder import CheckpointFolder
from moe_cosim.workloads.quantization.checkpoints.layouts import ExpertWeights

__all__ = ["CheckpointFolder", "ExpertWeights"]
