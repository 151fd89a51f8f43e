"""Pre-trained weights, configs and tokenizers of other libraries: find, load and convert them."""
