"""Speed of PALM and its peers on the same work: see docs/benchmarks.md."""
