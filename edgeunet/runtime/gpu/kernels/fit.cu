// A camera frame to the network's size, letterbox bars included: what imaging.Letterbox.fit does, in integers.
//
// Every position and weight is a ratio of integers, so that the result does not depend on the device; NumPy's in
// tests/runtime/gpu/reference.py is the same bit for bit, OpenCV's, which computes its weights in float32, within 1.

static const int PADDING = 114;  // imaging.letterbox.PADDING

// Weights of so many bits, and the type of their sums.
template <class Value> struct Weights;
template <> struct Weights<unsigned char> {  // as in OpenCV
    static const int BITS = 11;
    typedef int Sum;
};
template <> struct Weights<unsigned short> {  // as many as a float32 has
    static const int BITS = 23;
    typedef long long Sum;
};

// The two source pixels between which one destination pixel lies, and the weight of the second, 0 to 1 << bits: the
// middles of the pixels, (index + 1/2) * source / target - 1/2.
template <int bits, class Sum>
__device__ static void neighbours(int index, int source, int target, int *first, int *second, Sum *weight) {
    int denominator = 2 * target;
    int numerator = (2 * index + 1) * source - target;
    *first = numerator >= 0 ? numerator / denominator : -1;
    numerator -= *first * denominator;
    *weight = (((Sum)numerator << bits) + target) / denominator;
    *second = *first + 1 < source ? *first + 1 : source - 1;
    if (*first < 0) *first = 0;
}

// How much of source pixel `pixel` lies in destination pixel `index`, in units of 1 / target of a source pixel.
__device__ static int overlap(int pixel, int index, int source, int target) {
    int begin = max(index * source, pixel * target);
    int end = min((index + 1) * source, (pixel + 1) * target);
    return end - begin;
}

// 16 bits become 8 by a table of each channel, uint8 [channels, 65536].
__device__ static unsigned char levelled(unsigned char value, int, const unsigned char *) { return value; }
__device__ static unsigned char levelled(unsigned short value, int channel, const unsigned char *levels) {
    return levels[(size_t)channel << 16 | value];
}

// frame: [frame_height, frame_width, channels] -> out: uint8 [out_height, out_width, channels], resized to the
// rectangle (top, left, rows, columns) of it, then levelled; one thread a pixel. shrinks: area averaging, for frames of
// which no side grows, instead of bilinear. Sides are below 32768, so that products of two fit.
template <class Value, int channels>
__device__ static void fit(const Value *frame, int frame_height, int frame_width, unsigned char *out, int out_height,
                           int out_width, int top, int left, int rows, int columns, int shrinks,
                           const unsigned char *levels) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= out_width || y >= out_height) return;
    unsigned char *pixel = out + channels * ((size_t)y * out_width + x);
    x -= left;
    y -= top;
    if (x < 0 || y < 0 || x >= columns || y >= rows) {
        for (int c = 0; c < channels; ++c) pixel[c] = PADDING;
        return;
    }
    size_t pitch = channels * (size_t)frame_width;
    if (shrinks) {
        int first_row = y * frame_height / rows, last_row = ((y + 1) * frame_height - 1) / rows;
        int first_column = x * frame_width / columns, last_column = ((x + 1) * frame_width - 1) / columns;
        unsigned long long sums[channels] = {};
        for (int j = first_row; j <= last_row; ++j) {
            unsigned row_sums[channels] = {};
            for (int i = first_column; i <= last_column; ++i) {
                unsigned weight = overlap(i, x, frame_width, columns);
                for (int c = 0; c < channels; ++c) row_sums[c] += weight * frame[j * pitch + channels * i + c];
            }
            unsigned long long weight = overlap(j, y, frame_height, rows);
            for (int c = 0; c < channels; ++c) sums[c] += weight * row_sums[c];
        }
        unsigned long long area = (unsigned long long)frame_height * frame_width;
        for (int c = 0; c < channels; ++c) pixel[c] = levelled((Value)((sums[c] + area / 2) / area), c, levels);
        return;
    }
    const int bits = Weights<Value>::BITS;
    typedef typename Weights<Value>::Sum Sum;
    int above, below, before, after;
    Sum down, right;
    neighbours<bits>(y, frame_height, rows, &above, &below, &down);
    neighbours<bits>(x, frame_width, columns, &before, &after, &right);
    const Sum one = (Sum)1 << bits, half = (Sum)1 << (2 * bits - 1);
    const Value *upper = frame + above * pitch, *lower = frame + below * pitch;
    for (int c = 0; c < channels; ++c) {
        Sum top_value = (one - right) * upper[channels * before + c] + right * upper[channels * after + c];
        Sum bottom_value = (one - right) * lower[channels * before + c] + right * lower[channels * after + c];
        Sum value = ((one - down) * top_value + down * bottom_value + half) >> (2 * bits);
        pixel[c] = levelled((Value)value, c, levels);
    }
}

#define KERNEL(name, Value, channels)                                                                               \
    extern "C" __global__ void name(const Value *frame, int frame_height, int frame_width, unsigned char *out,       \
                                    int out_height, int out_width, int top, int left, int rows, int columns,         \
                                    int shrinks, const unsigned char *levels) {                                      \
        fit<Value, channels>(frame, frame_height, frame_width, out, out_height, out_width, top, left, rows, columns, \
                             shrinks, levels);                                                                       \
    }
KERNEL(fit_8_bit_1, unsigned char, 1)
KERNEL(fit_8_bit_3, unsigned char, 3)
KERNEL(fit_8_bit_4, unsigned char, 4)
KERNEL(fit_16_bit_1, unsigned short, 1)
KERNEL(fit_16_bit_3, unsigned short, 3)
KERNEL(fit_16_bit_4, unsigned short, 4)
