// Class colours over a camera frame, in place: uint8 [frame_height, frame_width, 3]; one thread a pixel.
// The mask, uint8 [mask_height, mask_width], is taken at its nearest pixel in the rectangle (top, left, rows,
// columns), where the frame lies in it. colors: uint8 [256, 3], BGR as the frame. opacity: 0 to 256.
extern "C" __global__ void blend(unsigned char *frame, int frame_height, int frame_width, const unsigned char *mask,
                                 int mask_width, int top, int left, int rows, int columns,
                                 const unsigned char *colors, int opacity) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= frame_width || y >= frame_height) return;
    int row = top + y * rows / frame_height, column = left + x * columns / frame_width;
    const unsigned char *color = colors + 3 * mask[(size_t)row * mask_width + column];
    unsigned char *pixel = frame + 3 * ((size_t)y * frame_width + x);
    for (int c = 0; c < 3; ++c) {
        pixel[c] = (unsigned char)(((256 - opacity) * pixel[c] + opacity * color[c] + 128) >> 8);
    }
}
