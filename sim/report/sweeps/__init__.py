"""What a report of a sweep has: its points, their front, parameters against metrics."""
