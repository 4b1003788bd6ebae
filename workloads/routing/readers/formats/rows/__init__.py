"""Layouts of one row, or line, for each token and layer: read in blocks, and again as often as it takes."""
