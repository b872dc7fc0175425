"""The sole starter of programs: uv, interpreters, and the programs of images. Knows nothing of the store's layout."""
