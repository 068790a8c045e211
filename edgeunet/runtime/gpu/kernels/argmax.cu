// logits: float32 [channels, pixels] -> mask: uint8 [pixels], the first of the largest; one thread a pixel.
// One channel tells two classes apart by its sign, as in the model file.
extern "C" __global__ void argmax(const float *logits, unsigned char *mask, int channels, int pixels) {
    int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= pixels) return;
    float best = channels == 1 ? 0.0f : logits[pixel];
    int index = 0;
    for (int c = channels == 1 ? 0 : 1; c < channels; ++c) {
        float value = logits[(size_t)c * pixels + pixel];
        if (value > best) {
            best = value;
            index = channels == 1 ? 1 : c;
        }
    }
    mask[pixel] = (unsigned char)index;
}
