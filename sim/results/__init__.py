"""Numbers derived from a program and its timeline."""
