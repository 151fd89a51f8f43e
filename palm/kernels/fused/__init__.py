"""An encoder layer whose steps between matrix products are C: `layer` computes it, `library` loads them."""
