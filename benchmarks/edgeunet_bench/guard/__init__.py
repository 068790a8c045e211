"""The guard: is the candidate slower than the base?"""
