"""Measurements of this project itself, run from the checkout."""
