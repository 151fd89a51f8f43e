"""The command line: one module per command, assembled in `palm.cli.main`."""
