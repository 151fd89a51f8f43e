"""Several processes against one: whether they train the same model, how fast, and what to expect of more of them."""
