"""The sole writer in a virtual environment. Knows nothing of uv, downloads or terminals.

Every change is written to a journal first, so that a killed run is completed by the next one. No file of the store
is ever changed through a link.
"""
