"""Fault injection, repeated many times; `docs/reliability.md` has the results."""
