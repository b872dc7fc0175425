"""Adopting: linking what environments hold that other tools made, and giving it back."""
