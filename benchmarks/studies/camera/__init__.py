"""How old the masks are, what a frame costs, and whether anything grows."""
