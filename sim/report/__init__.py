"""One file in which to look at runs and sweeps: charts, tables, and what they are of."""
