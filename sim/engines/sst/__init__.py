"""Real SST as an engine."""
