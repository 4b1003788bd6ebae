"""The event stream: its tables, what is checked of them, how they are written out, joined and kept."""
