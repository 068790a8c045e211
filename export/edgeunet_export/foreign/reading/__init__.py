"""Reads networks of other tools: one float32 graph with one image input, and the original to compare with."""
