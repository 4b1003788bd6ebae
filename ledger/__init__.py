"""Every published-beside-simulated number of this repository, kept: none moves in silence."""
