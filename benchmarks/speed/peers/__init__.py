"""The peers of PALM: typical scripts with PyTorch and transformers."""
