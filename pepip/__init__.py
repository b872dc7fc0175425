"""pepip: every package version once on disk, linked into each project's environment."""

__version__ = "0.1.0"
