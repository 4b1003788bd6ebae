"""Recording the routing of a model while it runs, in our own trace format (extra ``capture``).

    with moe_cosim.capture.capture(model) as recorder:     # a Hugging Face model
        model.generate(**tokenizer(texts, return_tensors="pt", padding=True), max_new_tokens=64)
    recorder.trace().save("routing.npz")

`from_vllm` takes what vLLM returns of its requests.
"""

from moe_cosim.capture.hugging_face import capture
from moe_cosim.capture.recorder import RoutingRecorder
from moe_cosim.capture.vllm import from_vllm

__all__ = ["RoutingRecorder", "capture", "from_vllm"]
