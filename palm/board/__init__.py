"""Runs below a folder, live in a browser (`palm board`)."""
