"""Questions to a store: SQL, plots, guided search."""
