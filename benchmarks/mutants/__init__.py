"""Mutants: small changes of the source, each of which some test should notice.

1. ``python -m benchmarks.mutants sample MUTANTS --count 340 --seed 0`` draws them (needs ``cosmic-ray``, which knows
   the changes);
2. ``python -m benchmarks.mutants map MAP`` runs the tests once and notes which of them pass by which line (needs
   ``pytest-cov``, ``pytest-timeout``);
3. ``python -m benchmarks.mutants run MUTANTS MAP OUTCOMES`` runs, for each mutant, the tests that pass by it, the
   shortest first, until one fails; outcomes are appended, and those that are there are not tried again.

What is drawn from stays Python meanwhile, so that a change of it is seen (`hook/sitecustomize.py`); what survives so is
shown, compiled, to the kept numbers (`drawn_from.LAST`), and of ``hw_models/dram_timing`` first to its own tests
(`drawn_from.COMPILED`), most of which are too long uncompiled. An outcome ``time`` may also be a test that simulates
DRAM uncompiled: time the same tests without the mutant before it counts as killed.
"""
