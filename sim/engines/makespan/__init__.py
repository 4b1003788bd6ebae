"""The engine that adds up a plan by the cost models that publications state."""
