"""Dependency parsing on a treebank of Universal Dependencies, alone and beside three other tasks, and by MaChAmp."""
