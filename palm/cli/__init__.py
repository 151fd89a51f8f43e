"""The command line: one module a command, put together in `palm.cli.main`."""
