"""Speed of PALM beside its peers on the same work: see docs/benchmarks.md."""
