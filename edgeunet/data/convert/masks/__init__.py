"""Masks that lie in files of their own: which image each belongs to, and what reads those of two folders."""
