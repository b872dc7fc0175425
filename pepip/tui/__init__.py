"""The store manager in the terminal: a face of the same operations as the command line, and nothing of its own.

The only package that imports textual.
"""
