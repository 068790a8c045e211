"""Exports a checkpoint to ONNX, FP16, INT8 and an engine, and checks that each is the same model."""
