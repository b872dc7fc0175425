"""The sole writer in a virtual environment. Knows nothing of uv, downloads or terminals.

Unless the disk is full, each change is noted on disk first, so that the next run can complete a killed one or take it
back. No change follows a link into the store.
"""
