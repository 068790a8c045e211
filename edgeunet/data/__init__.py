"""The dataset folder and what is done to its frames before training."""
