"""Searches for the keys of a configuration with the best dev metric: `palm tune`."""
