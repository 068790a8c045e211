"""A checkpoint becomes ONNX, FP16, INT8 and an engine, with the proof that each is the same model."""
