"""Questions to a store: SQL and guided search."""
