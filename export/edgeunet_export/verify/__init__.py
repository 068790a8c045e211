"""Whether two model files are the same model: masks, tensors, accuracy."""
