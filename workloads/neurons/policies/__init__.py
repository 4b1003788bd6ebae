"""Published rules of which neurons lie and run where."""
