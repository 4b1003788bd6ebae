"""Of comparisons with what others published or measured."""
