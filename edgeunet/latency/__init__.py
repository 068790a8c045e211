"""The latency record, and what is computed from it."""
