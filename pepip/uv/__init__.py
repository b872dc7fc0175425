"""The sole starter of uv: resolving, staging, making environments. Knows nothing of the store's layout."""
