"""A memory's DRAM: what its description says, and what the timing model of its channels makes of access patterns."""
