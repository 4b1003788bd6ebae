"""Model architectures: the packaged catalogue, model files, Hugging Face configurations and headers of GGUF files."""

from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.find import find_model, model_names
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.models.model_file import model_file_of

__all__ = ["Attention", "Model", "find_model", "model_file_of", "model_names"]
