"""Another project's networks against ours, on the same frames, cores and minutes."""
