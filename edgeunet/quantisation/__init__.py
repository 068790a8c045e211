"""What INT8 means for a network: which tensors are quantised for which runtime, and how far their values reach.

Of numbers and names only: the exporter reads a network as ONNX nodes, fine-tuning as PyTorch's operators, and both
decide by what stands here.
"""
