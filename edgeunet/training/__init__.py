"""Training the network on a dataset folder."""
