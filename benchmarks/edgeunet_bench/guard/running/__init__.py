"""Two arms, run in short turns in fresh processes."""
