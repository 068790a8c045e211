"""Confidence and familiarity: what they find, and what they cost."""
