"""Faults, injected often enough to print a figure; `docs/reliability.md` has the results."""
