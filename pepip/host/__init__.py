"""Every difference between operating systems and file systems: links, locks, permissions, devices.

Knows nothing of entries, environments or uv. Linux is tested; macOS and Windows are written with the same care.
"""
