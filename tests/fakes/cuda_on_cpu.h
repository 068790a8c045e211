// The few words of CUDA C++ that the kernels use, for an ordinary C++ compiler: one thread runs after another.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>

#define __global__
#define __device__
using std::max;
using std::min;

struct Dim3 {
    unsigned x, y, z;
};
inline thread_local Dim3 threadIdx, blockIdx, blockDim, gridDim;

template <class T> T next_argument(const char *&cursor, const char *begin) {
    size_t offset = cursor - begin;
    offset = (offset + alignof(T) - 1) / alignof(T) * alignof(T);
    T value;
    std::memcpy(&value, begin + offset, sizeof value);
    cursor = begin + offset + sizeof value;
    return value;
}

// Runs a kernel whose arguments lie in a buffer as the driver takes them, each at its own alignment.
template <class... A> void run_kernel(void (*kernel)(A...), Dim3 grid, Dim3 block, const char *arguments) {
    const char *cursor = arguments;
    std::tuple<A...> values{next_argument<A>(cursor, arguments)...};
    gridDim = grid;
    blockDim = block;
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < block.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) std::apply(kernel, values);
}
