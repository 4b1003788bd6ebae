"""A run's timeline as a Perfetto trace, to be looked at on ui.perfetto.dev."""
