"""Engines: what runs a program on a machine."""
