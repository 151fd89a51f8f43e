"""Quality and speed of PALM, one command each: see docs/benchmarks.md."""
