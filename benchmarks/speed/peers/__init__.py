"""What PALM is measured against: scripts that people write with PyTorch and transformers."""
