"""What computes an encoder layer. `layer` is the contract, `plain` the implementation in Paddle's own operations."""
