"""The sole writer of entries and of the registry. Knows nothing of uv or terminals.

An entry appears whole, in one step. After that only its `__pycache__` folders and the time of its document change. A
repair may also correct modes, and remove files that another tool has added.
"""
