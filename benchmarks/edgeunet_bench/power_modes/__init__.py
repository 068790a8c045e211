"""Measuring a model in every power mode of a Jetson."""
