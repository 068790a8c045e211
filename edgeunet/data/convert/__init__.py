"""Other layouts into the dataset folder: a file for each layout, and what they share."""
