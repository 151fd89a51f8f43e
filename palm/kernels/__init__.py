"""Implementations of an encoder layer. `contract` is their interface, `plain` the one in Paddle's own operations."""
