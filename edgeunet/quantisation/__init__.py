"""What INT8 means for a network: which tensors are quantised for which runtime, and their value ranges.

This package knows names and numbers only: the exporter reads a network as ONNX nodes and quantisation-aware training
as PyTorch's operators, and both follow the rules here.
"""
