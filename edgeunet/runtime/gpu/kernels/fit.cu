// A camera frame to the network's size, letterbox bars included: what frames.Fitting.fit does, in integers.
//
// Every position and weight is a ratio of integers, so that the result does not depend on the device; NumPy's in
// reference.py is the same bit for bit, OpenCV's, which computes its weights in float32, within 1.

static const int WEIGHT_BITS = 11;  // as in OpenCV
static const int PADDING = 114;     // frames.PADDING

// The two source pixels between which one destination pixel lies, and the weight of the second, 0 to 2048.
__device__ static void neighbours(int index, int source, int target, bool shrinks, int *first, int *second,
                                  int *weight) {
    int numerator, denominator;
    if (shrinks) {  // OpenCV's INTER_AREA where the other side grows
        *first = index * source / target;
        numerator = (index + 1) * source - (*first + 1) * target;
        if (numerator < 0) numerator = 0;
        denominator = source;
    } else {  // the middles of the pixels: (index + 1/2) * source / target - 1/2
        denominator = 2 * target;
        numerator = (2 * index + 1) * source - target;
        *first = numerator >= 0 ? numerator / denominator : -1;
        numerator -= *first * denominator;
    }
    *weight = ((numerator << WEIGHT_BITS) + denominator / 2) / denominator;
    *second = *first + 1 < source ? *first + 1 : source - 1;
    if (*first < 0) *first = 0;
}

// How much of source pixel `pixel` lies in destination pixel `index`, in units of 1 / target of a source pixel.
__device__ static int overlap(int pixel, int index, int source, int target) {
    int begin = max(index * source, pixel * target);
    int end = min((index + 1) * source, (pixel + 1) * target);
    return end - begin;
}

// frame: uint8 [frame_height, frame_width, 3] -> out: uint8 [out_height, out_width, 3], resized to the rectangle
// (top, left, rows, columns) of it; one thread a pixel. shrinks: area averaging instead of bilinear.
// Sides are below 32768, so that products of two fit.
extern "C" __global__ void fit_frame(const unsigned char *frame, int frame_height, int frame_width, unsigned char *out,
                                     int out_height, int out_width, int top, int left, int rows, int columns,
                                     int shrinks) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= out_width || y >= out_height) return;
    unsigned char *pixel = out + 3 * ((size_t)y * out_width + x);
    x -= left;
    y -= top;
    if (x < 0 || y < 0 || x >= columns || y >= rows) {
        for (int c = 0; c < 3; ++c) pixel[c] = PADDING;
        return;
    }
    size_t pitch = 3 * (size_t)frame_width;
    if (shrinks && frame_height >= rows && frame_width >= columns) {
        int first_row = y * frame_height / rows, last_row = ((y + 1) * frame_height - 1) / rows;
        int first_column = x * frame_width / columns, last_column = ((x + 1) * frame_width - 1) / columns;
        unsigned long long sums[3] = {0, 0, 0};
        for (int j = first_row; j <= last_row; ++j) {
            unsigned row_sums[3] = {0, 0, 0};
            for (int i = first_column; i <= last_column; ++i) {
                unsigned weight = overlap(i, x, frame_width, columns);
                for (int c = 0; c < 3; ++c) row_sums[c] += weight * frame[j * pitch + 3 * i + c];
            }
            unsigned long long weight = overlap(j, y, frame_height, rows);
            for (int c = 0; c < 3; ++c) sums[c] += weight * row_sums[c];
        }
        unsigned long long area = (unsigned long long)frame_height * frame_width;
        for (int c = 0; c < 3; ++c) pixel[c] = (unsigned char)((sums[c] + area / 2) / area);
        return;
    }
    int above, below, down, before, after, right;
    neighbours(y, frame_height, rows, shrinks, &above, &below, &down);
    neighbours(x, frame_width, columns, shrinks, &before, &after, &right);
    const int one = 1 << WEIGHT_BITS, half = 1 << (2 * WEIGHT_BITS - 1);
    const unsigned char *upper = frame + above * pitch, *lower = frame + below * pitch;
    for (int c = 0; c < 3; ++c) {
        int top_value = (one - right) * upper[3 * before + c] + right * upper[3 * after + c];
        int bottom_value = (one - right) * lower[3 * before + c] + right * lower[3 * after + c];
        pixel[c] = (unsigned char)(((one - down) * top_value + down * bottom_value + half) >> (2 * WEIGHT_BITS));
    }
}
