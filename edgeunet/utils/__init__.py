"""What every room may use: files, the console, JSON, numbers and names in messages."""
