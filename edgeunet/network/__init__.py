"""The U-Net in PyTorch, its checkpoint, and what it costs."""
