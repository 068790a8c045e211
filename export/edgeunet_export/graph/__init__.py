"""The ONNX graph: built from the network, stored, read and checked."""
