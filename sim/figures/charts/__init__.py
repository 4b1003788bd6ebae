"""One file for each kind of chart: its numbers, how they are drawn, and the same as a table."""
