"""Finished runs beside each other: where they differ, and how many times better they are than a baseline."""
