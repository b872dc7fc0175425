"""From entries to the links that an environment needs.

Knows nothing of uv. Reads nothing from disk but the names in a folder that has to be unfolded.
"""
