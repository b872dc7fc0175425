"""The sole writer below the store's root. Knows nothing of environments, uv or terminals.

An entry appears whole or not at all, once, and never changes afterwards but for its `__pycache__` folders.
"""
