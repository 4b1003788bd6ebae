"""A registry for tests, where modules written by a test find it."""

from __future__ import annotations

from moe_cosim.registry import Registry


class Thing:
    summary = "a thing"


registry: Registry[type[Thing]] = Registry("thing", "things")
