"""Pre-trained weights, settings and tokenizers of others: find, load and convert them."""
