"""Reading an unpacked wheel: its RECORD, tags, scripts, libraries, and how it may be linked.

Reads files below a given folder, and changes nothing. Knows nothing of stores or environments.
Source: the binary distribution format and "Recording installed projects", PyPA specifications.
"""
