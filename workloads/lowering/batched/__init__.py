"""What is loaded for every step, and attention of sequences whose keys and values lie at the host."""
