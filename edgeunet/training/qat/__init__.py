"""Training as INT8 (quantisation-aware training)."""
