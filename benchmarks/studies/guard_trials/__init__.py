"""Measures the guard: how often it is right, on trials whose right verdict is known."""
