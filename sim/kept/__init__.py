"""What the folder of a run says beyond its result: per kernel, per step, per expert."""
