"""What the machine is asked to do: models, routing, quantization, policies, and the program."""
