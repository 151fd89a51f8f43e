"""What a run's folder tells: read, and laid out as a page (`palm report`)."""
