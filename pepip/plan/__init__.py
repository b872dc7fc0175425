"""From entries to the links that an environment needs.

Pure: knows nothing of uv, and asks the disk only for the files of a folder that has to be unfolded.
"""
