"""From plans of neurons to the events that engines run."""

from moe_cosim.workloads.neurons.lowering.lower import NeuronLowering as NeuronLowering
