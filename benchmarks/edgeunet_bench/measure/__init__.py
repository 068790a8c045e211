"""Measuring: what is timed, how, and the record that comes of it."""
