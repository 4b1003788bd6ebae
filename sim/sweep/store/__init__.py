"""What is kept of the points, and how."""
