"""The layouts, one a file."""
