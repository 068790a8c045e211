"""Tools for all packages: files, the console, JSON, limits and text for messages."""
