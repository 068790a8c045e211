"""Sessions on a CPU."""
