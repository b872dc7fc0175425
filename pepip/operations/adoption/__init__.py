"""Adopting environments that other tools made, by linking their distributions; and ejecting environments again."""
