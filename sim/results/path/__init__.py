"""Where the time went: the critical path of a program, and of a run in blocks."""
