"""Where frames come from. `opening` makes a source from an address."""
