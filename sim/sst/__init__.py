"""The binding to SST: graph objects, their catalogue, emission of configurations, and running them."""
