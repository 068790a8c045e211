"""Where masks and pictures go. `opening` makes the sinks that the options ask for."""
