"""An ONNX file with Q/DQ pairs."""
