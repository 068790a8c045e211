"""The session on an NVIDIA GPU: TensorRT, pycuda, a CUDA graph and three kernels."""
