"""What is counted of a run, block by block."""
