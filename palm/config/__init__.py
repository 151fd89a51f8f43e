"""Configuration: permitted keys, their sources, and their precedence. Independent of components."""
