"""Configuration: what may be written, where it was written, and who wins. Knows no component."""
