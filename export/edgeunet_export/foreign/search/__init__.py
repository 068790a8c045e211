"""Finds how a foreign network is fed, on labelled frames, where nobody says it."""
