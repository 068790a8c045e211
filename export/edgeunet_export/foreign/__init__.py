"""Takes a segmentation network of another tool into the contract, and proves that it is still the same network."""
