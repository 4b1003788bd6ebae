"""Jinja templates: they print what is decided elsewhere."""
