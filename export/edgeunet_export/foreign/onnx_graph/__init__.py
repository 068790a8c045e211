"""Changes of an ONNX graph that keep what it computes: float32, one size, an older opset, no needless end."""
