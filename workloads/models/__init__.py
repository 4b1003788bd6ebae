"""Model architectures: the packaged catalogue and Hugging Face ``config.json`` files."""

from moe_cosim.workloads.models.find import find_model, model_names
from moe_cosim.workloads.models.model import Attention, Model

__all__ = ["Attention", "Model", "find_model", "model_names"]
