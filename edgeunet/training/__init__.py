"""Learning the network from a dataset folder."""
