"""Pre-trained and trained models from one form into another: Hugging Face folders, PALM folders, Paddle's files."""
