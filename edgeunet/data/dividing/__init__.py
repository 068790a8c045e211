"""Dividing frames into train and val so that val says how well the network does where it has not been."""
