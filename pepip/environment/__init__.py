"""The sole writer in a virtual environment. Knows nothing of uv, downloads or terminals.

Every change is written to a journal first, so that the next run can complete a killed one. No change follows a link
into the store.
"""
