"""The session on an NVIDIA GPU: TensorRT, pycuda or ctypes, CUDA graphs, and two kernels (fit, argmax)."""
