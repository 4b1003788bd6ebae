"""A machine as a graph of SST components."""
