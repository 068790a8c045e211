// A FAKE of NVIDIA's driver library, for machines without a GPU: its memory is the host's, its kernels are the
// project's own .cu files compiled for the CPU. The functions have the names and arguments of the CUDA Driver API.
//
// Work put into a stream runs when somebody waits for the stream, so that whoever reads too early sees nothing.
// It refuses what the real one refuses: a thread without a context, an address that is not allocated, waiting in a
// stream that is captured, taking or freeing memory in the thread that captures, ending a capture in another. What is to go wrong is set with fake_set(); fake_count() says what is still held.
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cuda_on_cpu.h"

#include "../../edgeunet/runtime/gpu/kernels/argmax.cu"
#include "../../edgeunet/runtime/gpu/kernels/fit.cu"

#define ALL_KERNELS(DO) \
    DO(argmax) DO(fit_8_bit_1) DO(fit_8_bit_3) DO(fit_8_bit_4) DO(fit_16_bit_1) DO(fit_16_bit_3) DO(fit_16_bit_4)

using Result = int;
using Pointer = unsigned long long;
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_READY = 600,
       INVALID_PTX = 218, UNSUPPORTED_PTX_VERSION = 222, NOT_FOUND = 500, LAUNCH_FAILED = 719, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901,
       CAPTURE_WRONG_THREAD = 908 };
enum { GLOBAL = 0, THREAD_LOCAL = 1, RELAXED = 2 };  // CUstreamCaptureMode

using Work = std::function<Result()>;
struct Graph { std::vector<Work> nodes; };
struct Stream {
    std::vector<Work> queue;
    bool capturing = false, invalid = false, running = false;
    int mode = GLOBAL;
    std::thread::id capturer;
    Graph captured;
};
struct Event { double ms = -1; bool pending = false; };

static std::recursive_mutex mutex;
static const std::map<std::string, long long> usual = {{"memory", 1LL << 30}, {"integrated", 0},
                                                       {"refuse_capture", 0}, {"lost_after", -1}, {"newest_ptx", 85}};
static std::map<std::string, long long> settings = usual;
static std::map<Pointer, size_t> device_memory, host_memory;
static std::set<Pointer> mapped_memory;
static std::set<Stream *> streams;
static std::set<Event *> events;
static std::set<Graph *> graphs, executables;
static std::set<std::string *> modules;  // the PTX of each
static int retained = 0;
static bool lost = false;
static std::string journal;
static thread_local int current = 0;  // how many contexts this thread has pushed
static char the_context;

static size_t used() {
    size_t sum = 0;
    for (auto &entry : device_memory) sum += entry.second;
    return sum;
}

static bool inside(const std::map<Pointer, size_t> &memory, Pointer address, size_t size) {
    auto after = memory.upper_bound(address);
    if (after == memory.begin()) return false;
    auto entry = *std::prev(after);
    return address + size <= entry.first + entry.second;
}

static bool on_device(Pointer address, size_t size) {
    if (inside(device_memory, address, size)) return true;
    for (Pointer start : mapped_memory)
        if (address >= start && address + size <= start + host_memory[start]) return true;
    return false;
}

static Result run(Stream *stream) {
    if (stream->capturing) {
        stream->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    while (stream->running) {  // by a thread that frees memory, and is in a host function: the work is not done yet
        mutex.unlock();
        std::this_thread::yield();
        mutex.lock();
        if (!streams.count(stream)) return OK;
    }
    std::vector<Work> queue;
    queue.swap(stream->queue);
    Result result = OK;
    stream->running = true;
    for (auto &work : queue) {
        long long &left = settings["lost_after"];
        if (left >= 0 && left-- == 0) lost = true;
        if ((result = lost ? LAUNCH_FAILED : work())) break;
    }
    stream->running = false;
    return lost ? LAUNCH_FAILED : result;
}

static Result put(Stream *stream, Work work) {
    if (!streams.count(stream)) return INVALID_HANDLE;
    if (!stream->capturing) {
        stream->queue.push_back(std::move(work));
        return OK;
    }
    if (settings["refuse_capture"]) stream->invalid = true;
    if (stream->invalid) return CAPTURE_UNSUPPORTED;
    stream->captured.nodes.push_back(std::move(work));
    return OK;
}

// "Potentially unsafe API calls" (cuda.h, cuThreadExchangeStreamCaptureMode) also spoil the captures that forbid them.
static bool captures_forbid_it() {
    bool forbidden = false;
    for (Stream *stream : streams) {
        bool here = stream->capturer == std::this_thread::get_id();
        if (stream->capturing && (stream->mode == GLOBAL || (stream->mode == THREAD_LOCAL && here)))
            stream->invalid = forbidden = true;
    }
    return forbidden;
}

#define ENTER                                              \
    std::lock_guard<std::recursive_mutex> guard(mutex);    \
    journal += std::string(__func__) + "\n";
#define ENTER_WITH_CONTEXT                 \
    ENTER                                  \
    if (!current) return INVALID_CONTEXT;  \
    if (lost) return LAUNCH_FAILED;

extern "C" {

void fake_set(const char *name, long long value) {
    std::lock_guard<std::recursive_mutex> guard(mutex);
    settings[name] = value;
}

void fake_reset() {  // forgets what is held, for the next test
    std::lock_guard<std::recursive_mutex> guard(mutex);
    settings = usual;
    device_memory.clear(), host_memory.clear(), mapped_memory.clear();
    streams.clear(), events.clear(), graphs.clear(), executables.clear();
    modules.clear();
    retained = 0;
    lost = false;
    journal.clear();
}

long long fake_count(const char *name) {
    std::lock_guard<std::recursive_mutex> guard(mutex);
    std::map<std::string, size_t> counts = {
        {"device memory", device_memory.size()}, {"host memory", host_memory.size()}, {"streams", streams.size()},
        {"events", events.size()}, {"graphs", graphs.size() + executables.size()}, {"contexts", (size_t)retained},
        {"modules", modules.size()}};
    return counts.at(name);
}

const char *fake_journal(int clear) {  // names of the functions called, one a line
    static std::string copy;
    std::lock_guard<std::recursive_mutex> guard(mutex);
    copy = journal;
    if (clear) journal.clear();
    return copy.c_str();
}

// Runs a kernel at once. Gives false if there is none of that name.
bool fake_run_kernel(const char *name, unsigned grid_x, unsigned grid_y, unsigned block_x, unsigned block_y,
                     const char *arguments) {
    Dim3 grid{grid_x, grid_y, 1}, block{block_x, block_y, 1};
#define RUN(kernel) \
    if (!strcmp(name, #kernel)) return run_kernel(kernel, grid, block, arguments), true;
    ALL_KERNELS(RUN)
    return false;
}

Result cuInit(unsigned) { ENTER return OK; }
Result cuDriverGetVersion(int *version) { *version = 13000; return OK; }
Result cuDeviceGetCount(int *count) { *count = 1; return OK; }
Result cuDeviceGet(int *device, int number) {
    *device = number;
    return number == 0 ? OK : INVALID_DEVICE;
}
Result cuDeviceGetName(char *name, int size, int) { strncpy(name, "CPU in place of a GPU", size); return OK; }
Result cuDeviceTotalMem_v2(size_t *size, int) { *size = settings["memory"]; return OK; }
Result cuDeviceGetAttribute(int *value, int attribute, int) {
    *value = attribute == 18 ? (int)settings["integrated"] : attribute == 75 ? 8 : attribute == 76 ? 7 : 0;
    return OK;
}

Result cuGetErrorString(Result code, const char **text) {
    *text = code == OUT_OF_MEMORY ? "out of memory" : code == INVALID_CONTEXT ? "invalid device context"
          : code == INVALID_DEVICE ? "invalid device ordinal"
          : code == LAUNCH_FAILED ? "unspecified launch failure" : code == NOT_READY ? "device not ready"
          : code == CAPTURE_UNSUPPORTED ? "operation not permitted when stream is capturing"
          : code == CAPTURE_INVALIDATED ? "operation failed due to a previous error during capture"
          : code == CAPTURE_WRONG_THREAD ? "operation not permitted on a stream captured by another thread"
          : code == INVALID_PTX ? "a PTX JIT compilation failed"
          : code == UNSUPPORTED_PTX_VERSION ? "the provided PTX was compiled with an unsupported toolchain."
          : code == NOT_FOUND ? "named symbol not found"
          : code == INVALID_HANDLE ? "invalid resource handle" : "invalid argument";
    return OK;
}
Result cuGetErrorName(Result code, const char **text) { return cuGetErrorString(code, text); }

Result cuDevicePrimaryCtxRetain(void **context, int) {
    ENTER
    if (!settings["memory"]) return OUT_OF_MEMORY;
    ++retained;
    *context = &the_context;
    return OK;
}
Result cuDevicePrimaryCtxRelease_v2(int) {
    ENTER
    if (!retained) return INVALID_CONTEXT;
    if (--retained == 0) lost = false;
    return OK;
}
Result cuCtxPushCurrent_v2(void *) { ENTER ++current; return OK; }
Result cuCtxPopCurrent_v2(void **context) {
    ENTER
    if (!current) return INVALID_CONTEXT;
    --current;
    *context = &the_context;
    return lost ? LAUNCH_FAILED : OK;  // "may also return error codes from previous, asynchronous launches" (cuda.h)
}
Result cuCtxGetDevice(int *device) { ENTER_WITH_CONTEXT *device = 0; return OK; }

Result cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    ENTER_WITH_CONTEXT
    *total = settings["memory"];
    *free_bytes = *total - used();
    return OK;
}
Result cuMemAlloc_v2(Pointer *address, size_t size) {
    ENTER_WITH_CONTEXT
    if (captures_forbid_it()) return CAPTURE_UNSUPPORTED;
    if (used() + size > (size_t)settings["memory"]) return OUT_OF_MEMORY;
    *address = (Pointer) new char[size];
    device_memory[*address] = size;
    return OK;
}
Result cuMemFree_v2(Pointer address) {
    ENTER
    if (!current) return INVALID_CONTEXT;
    if (captures_forbid_it()) return CAPTURE_UNSUPPORTED;
    for (Stream *stream : std::set<Stream *>(streams))
        if (streams.count(stream) && !stream->capturing) run(stream);
    if (!device_memory.erase(address)) return INVALID_VALUE;
    delete[] (char *)address;
    return lost ? LAUNCH_FAILED : OK;
}
Result cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    ENTER_WITH_CONTEXT
    if (captures_forbid_it()) return CAPTURE_UNSUPPORTED;
    *address = new char[size];
    host_memory[(Pointer)*address] = size;
    if (flags & 2) mapped_memory.insert((Pointer)*address);
    return OK;
}
Result cuMemHostGetDevicePointer_v2(Pointer *address, void *host, unsigned) {
    ENTER_WITH_CONTEXT
    if (!mapped_memory.count((Pointer)host)) return INVALID_VALUE;
    *address = (Pointer)host;
    return OK;
}
Result cuMemFreeHost(void *address) {
    ENTER
    if (!current) return INVALID_CONTEXT;
    if (captures_forbid_it()) return CAPTURE_UNSUPPORTED;
    mapped_memory.erase((Pointer)address);
    if (!host_memory.erase((Pointer)address)) return INVALID_VALUE;
    delete[] (char *)address;
    return lost ? LAUNCH_FAILED : OK;
}
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t size, Stream *stream) {
    ENTER_WITH_CONTEXT
    if (!on_device(to, size)) return INVALID_VALUE;
    if (!inside(host_memory, (Pointer)from, size)) return INVALID_VALUE;  // the real one takes pageable memory too
    return put(stream, [=] { memcpy((void *)to, from, size); return OK; });
}
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t size, Stream *stream) {
    ENTER_WITH_CONTEXT
    if (!on_device(from, size) || !inside(host_memory, (Pointer)to, size)) return INVALID_VALUE;
    return put(stream, [=] { memcpy(to, (void *)from, size); return OK; });
}

Result cuStreamCreate(Stream **stream, unsigned) {
    ENTER_WITH_CONTEXT
    streams.insert(*stream = new Stream);
    return OK;
}
Result cuStreamDestroy_v2(Stream *stream) {
    ENTER
    if (!current) return INVALID_CONTEXT;
    if (!streams.erase(stream)) return INVALID_HANDLE;
    delete stream;
    return OK;
}
Result cuStreamSynchronize(Stream *stream) {
    ENTER_WITH_CONTEXT
    return streams.count(stream) ? run(stream) : INVALID_HANDLE;
}
Result cuLaunchHostFunc(Stream *stream, void (*function)(void *), void *data) {
    ENTER_WITH_CONTEXT
    return put(stream, [=] {  // Python: it wants the GIL, which a thread that waits for this mutex may hold
        mutex.unlock();
        function(data);
        mutex.lock();
        return OK;
    });
}

Result cuEventCreate(Event **event, unsigned) {
    ENTER_WITH_CONTEXT
    events.insert(*event = new Event);
    return OK;
}
Result cuEventDestroy_v2(Event *event) {
    ENTER
    if (!current) return INVALID_CONTEXT;
    if (!events.erase(event)) return INVALID_HANDLE;
    delete event;
    return OK;
}
Result cuEventRecordWithFlags(Event *event, Stream *stream, unsigned flags) {
    ENTER_WITH_CONTEXT
    if (!events.count(event) || !streams.count(stream)) return INVALID_HANDLE;
    bool external = flags == 1;
    if (external && !stream->capturing) return INVALID_VALUE;
    if (!external && stream->capturing) return OK;  // only orders the work; stamps no time
    event->pending = !external;
    return put(stream, [=] {
        if (!events.count(event)) return OK;  // destroyed meanwhile, which is allowed
        event->pending = false;
        event->ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
        return OK;
    });
}
Result cuEventRecord(Event *event, Stream *stream) { return cuEventRecordWithFlags(event, stream, 0); }
Result cuEventElapsedTime(float *ms, Event *begin, Event *end) {
    ENTER_WITH_CONTEXT
    if (!events.count(begin) || !events.count(end)) return INVALID_HANDLE;
    if (begin->pending || end->pending) return NOT_READY;
    if (begin->ms < 0 || end->ms < 0) return INVALID_HANDLE;  // never recorded
    *ms = (float)(end->ms - begin->ms);
    return OK;
}

// Takes PTX alone, and no newer than the setting says; the kernels are the compiled ones of the same names.
Result cuModuleLoadDataEx(std::string **module, const char *image, unsigned, void *, void *) {
    ENTER_WITH_CONTEXT
    int major = 0, minor = 0;
    const char *version = strstr(image, "\n.version ");
    if (!version || sscanf(version, "\n.version %d.%d", &major, &minor) != 2 || !strstr(image, "\n}")) return INVALID_PTX;
    if (10 * major + minor > settings["newest_ptx"]) return UNSUPPORTED_PTX_VERSION;
    modules.insert(*module = new std::string(image));
    return OK;
}
Result cuModuleLoadData(std::string **module, const char *image) {
    return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}
Result cuModuleUnload(std::string *module) {
    ENTER
    if (!modules.erase(module)) return INVALID_HANDLE;
    delete module;
    return OK;
}
Result cuModuleGetFunction(const char **function, std::string *module, const char *name) {
    ENTER_WITH_CONTEXT
#define NAME(kernel) #kernel,
    static const char *names[] = {ALL_KERNELS(NAME)};
    if (!modules.count(module)) return INVALID_HANDLE;
    for (const char *known : names)
        if (!strcmp(known, name) && module->find(".entry " + std::string(name) + "(") != std::string::npos) {
            *function = known;
            return OK;
        }
    return NOT_FOUND;
}
Result cuFuncSetBlockShape(const char *, int, int, int) { return OK; }
Result cuLaunchKernel(const char *name, unsigned grid_x, unsigned grid_y, unsigned, unsigned block_x, unsigned block_y,
                      unsigned, unsigned, Stream *stream, void **, void **extra) {
    ENTER_WITH_CONTEXT  // extra: 1, buffer, 2, its size, 0
    std::string arguments((const char *)extra[1], *(size_t *)extra[3]);
    return put(stream, [=] {
        return fake_run_kernel(name, grid_x, grid_y, block_x, block_y, arguments.data()) ? OK : INVALID_VALUE;
    });
}

Result cuStreamBeginCapture_v2(Stream *stream, int mode) {
    ENTER_WITH_CONTEXT
    if (!streams.count(stream) || stream->capturing || !stream->queue.empty()) return INVALID_VALUE;
    stream->capturing = true;
    stream->invalid = false;
    stream->mode = mode;
    stream->capturer = std::this_thread::get_id();
    stream->captured.nodes.clear();
    return OK;
}
Result cuStreamEndCapture(Stream *stream, Graph **graph) {
    ENTER_WITH_CONTEXT
    *graph = nullptr;
    if (!streams.count(stream) || !stream->capturing) return INVALID_VALUE;
    if (stream->mode != RELAXED && stream->capturer != std::this_thread::get_id()) return CAPTURE_WRONG_THREAD;
    stream->capturing = false;
    if (stream->invalid) return CAPTURE_INVALIDATED;
    graphs.insert(*graph = new Graph(stream->captured));
    return OK;
}
Result cuGraphInstantiateWithFlags(Graph **executable, Graph *graph, unsigned long long) {
    ENTER_WITH_CONTEXT
    if (!graphs.count(graph)) return INVALID_VALUE;
    executables.insert(*executable = new Graph(*graph));
    return OK;
}
Result cuGraphLaunch(Graph *executable, Stream *stream) {
    ENTER_WITH_CONTEXT
    if (!executables.count(executable)) return INVALID_HANDLE;
    for (auto &node : executable->nodes)
        if (Result result = put(stream, node)) return result;
    return OK;
}
Result cuGraphDestroy(Graph *graph) {
    ENTER
    if (!graphs.erase(graph)) return INVALID_HANDLE;
    delete graph;
    return OK;
}
Result cuGraphExecDestroy(Graph *graph) {
    ENTER
    if (!executables.erase(graph)) return INVALID_HANDLE;
    delete graph;
    return OK;
}
}
