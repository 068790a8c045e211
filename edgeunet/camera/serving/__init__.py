"""The HTTP server: the live page and the metrics."""
