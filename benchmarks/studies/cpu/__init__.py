"""How fast this CPU is without a GPU, and how fast it could be."""
