"""From entries to the links that an environment needs.

Knows nothing of uv. Reads from disk only the names in folders that must be unfolded.
"""
