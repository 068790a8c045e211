"""Several processes that train as one, and signals."""
