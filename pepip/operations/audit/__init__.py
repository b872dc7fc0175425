"""Advisories on the distributions in all environments, and which of them are yanked or outdated."""
