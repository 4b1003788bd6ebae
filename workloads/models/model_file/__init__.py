"""Model files of our own: what the catalogue is written in, and what describes a model that no configuration does."""

from moe_cosim.workloads.models.model_file.read import read_model_file
from moe_cosim.workloads.models.model_file.write import model_file_of

__all__ = ["model_file_of", "read_model_file"]
