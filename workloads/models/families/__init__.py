"""Families of Hugging Face configurations: one table of fields each."""
