"""Tools for all rooms: files, the console, JSON, limits and words in messages."""
