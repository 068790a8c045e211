"""Sweeping: many models, backends and threads in one measurement, and which of them to take."""
