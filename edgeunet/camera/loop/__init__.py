"""The threads between source and sinks."""
