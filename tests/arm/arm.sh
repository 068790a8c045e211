#!/usr/bin/env bash
# edgeunet on 64-bit ARM without an ARM machine: qemu-user on an x86-64 Debian, as root. `make check-arm` runs it.
#
#   tests/arm/arm.sh FOLDER     FOLDER is made: 1.2 GB. Nothing else is kept. Options are variables:
#   TESTS=            (empty) leaves the tests out; else arguments of pytest
#   CPU=cortex-a76    what is emulated: the nearest to an Orin's Cortex-A78AE (dot products, no SVE)
#   PYTHON            an interpreter with edgeunet's packages, if not .venv/bin/python
#
# It trains a small network, builds an arm64 root of Debian and a venv of aarch64 wheels (the project's own among them), and
# runs there: `predict` with the fp32 and the INT8 file in both backends, its masks held against x86-64's (compare_masks.py),
# `--help`, `doctor`, `info`, `evaluate`, `camera` with a recording that is read again, `bench`, and tests of the runtime
# and the board. It says nothing of latency, TensorRT, a GPU, cameras or sensors. Where it cannot run it says why, with
# exit code 0.
#
# No ARM code runs while packages are installed: an apt of its own resolves them, x86's dpkg unpacks, x86's pip picks wheels
# by --platform. debootstrap with everything emulated takes half an hour instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# = 1 ] || { sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 2; }
W=$(realpath -m "$1") PYTHON=$(realpath -s "${PYTHON:-.venv/bin/python}") CPU=${CPU:-cortex-a76}
# Without tests/runtime/gpu, which compiles kernels, and those with limits of real time, which emulation breaks, or with many
# processes, which take minutes.
TESTS=${TESTS-tests/runtime tests/board tests/imaging/test_letterbox.py tests/test_spec.py --ignore tests/runtime/gpu
    --ignore tests/board/sensors --ignore tests/board/test_power_modes.py}
R=$W/root
FORMATS=/proc/sys/fs/binfmt_misc

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
not_run() { printf 'check-arm NOT RUN: %s\n' "$*"; exit 0; }
[ -x "$PYTHON" ] || die "$PYTHON is missing: make setup, or PYTHON=an interpreter with edgeunet's packages"
[ ! -e "$W" ] || [ -z "$(ls -A "$W")" ] || die "$W is not empty: give a new folder"
[ "$(uname -m)" = x86_64 ] || not_run "it compares with x86-64, and this machine is $(uname -m)"
[ "$(id -u)" = 0 ] || not_run "root is needed, for chroot and mounts"
command -v apt-get dpkg >/dev/null || not_run "a Debian is needed: there is no apt-get and dpkg here"
unshare -m true 2>/dev/null || not_run "mounts in a namespace of its own are not allowed here"

TIMEFORMAT='   %R s, of a CPU %U and %S s'
step() { printf '== %s\n' "$1"; shift; time "$@"; }
quiet() { "$@" >"$W/log" 2>&1 || { cat "$W/log"; die "$*"; }; }

emulator() {
    command -v qemu-aarch64-static >/dev/null ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null; } ||
        not_run "qemu-user-static is missing, and apt cannot install it"
    qemu-aarch64-static --version | head -1 | sed 's/^/   /'
    mountpoint -q "$FORMATS" || mount -t binfmt_misc binfmt_misc "$FORMATS" || not_run "binfmt_misc cannot be mounted"
    [ ! -e "$FORMATS/qemu-aarch64" ] || return 0
    # F: the kernel opens the interpreter now, so that the ARM root needs no copy of it.
    local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf ':qemu-aarch64:M::%s:%s:%s:OCF' "$magic" "$mask" "$(command -v qemu-aarch64-static)" >"$FORMATS/register" ||
        not_run "the kernel does not take another emulator of ARM"
    trap 'echo -1 >"$FORMATS/qemu-aarch64"' EXIT # as it was before
}

model() { # of a quarter of the demo's size, which is enough to compare
    local data=edgeunet/samples/road models=$W/models
    quiet "$PYTHON" -m edgeunet train $data -o "$W/training" --model nano --recipe quick --steps 80 --size 128x160
    quiet "$PYTHON" -m edgeunet export onnx "$W/training/best.pt" -o "$models/fp32.onnx"
    quiet "$PYTHON" -m edgeunet export int8 "$models/fp32.onnx" --data $data --target onnxruntime -o "$models/int8.onnx"
}

system() {
    local own=$W/apt deb
    mkdir -p "$own"/etc/apt/{sources.list.d,apt.conf.d,preferences.d,trusted.gpg.d} \
        "$own"/var/{lib/apt/lists/partial,lib/dpkg,cache/apt/archives/partial}
    : >"$own/var/lib/dpkg/status"
    # The mirror is the one that this machine's apt has, and so is the proxy.
    apt-get indextargets --format \
        "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \$(REPO_URI) \$(RELEASE) \$(COMPONENT) #\$(ORIGIN)" \
        'Created-By: Packages' | sed -n 's/ #Debian$//p' | sort -u >"$own/etc/apt/sources.list"
    [ -s "$own/etc/apt/sources.list" ] || not_run "apt knows no mirror of Debian: apt-get update, on a Debian"
    apt-config dump | grep -E '^Acquire::https?::' >"$own/etc/apt/apt.conf.d/proxy" || true
    local apt=(apt-get -qq -o Dir="$own" -o Dir::State::status="$own/var/lib/dpkg/status"
        -o Dir::Etc::Parts="$own/etc/apt/apt.conf.d" -o APT::Architecture=arm64 -o APT::Architectures=arm64
        -o Acquire::Languages=none -o APT::Sandbox::User=root)
    { "${apt[@]}" update && "${apt[@]}" install -y -d --no-install-recommends python3 bash dash coreutils sed mawk grep \
        findutils libgl1 libglib2.0-0 libstdc++6 >/dev/null; } || not_run "Debian's arm64 packages cannot be fetched here"
    for deb in "$own"/var/cache/apt/archives/*.deb; do dpkg -x "$deb" "$R"; done
    mkdir -p "$R"/{proc,sys,dev,tmp,opt/edgeunet,opt/frames,opt/out}
    chmod 1777 "$R/tmp"
    cp /etc/passwd /etc/group "$R/etc/"
    ln -sf dash "$R/bin/sh" && ln -sf mawk "$R/usr/bin/awk" # a postinst would have made these
    du -sm "$R" | sed "s|$W/|MB |; s/^/   /"
}

packages() { # the project's wheel and aarch64 wheels, chosen and unpacked by x86's pip
    local version site platforms=(--platform manylinux2014_aarch64) minor
    version=$(basename "$R"/usr/lib/python3.*)
    site=$R/opt/venv/lib/$version/site-packages
    for minor in $(seq 17 36); do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
    git archive HEAD | tar -x -C "$R/opt/edgeunet"
    cp -r "$R/opt/edgeunet" "$W/copy" && "$PYTHON" -m pip wheel -q --no-deps -w "$W/wheel" "$W/copy"
    arm python3 -m venv --without-pip /opt/venv
    # pip warns of what this Python has beside the target, which does not matter.
    "$PYTHON" -m pip install -qq --target "$site" --only-binary=:all: --implementation cp \
        --python-version "${version#python}" "${platforms[@]}" -c constraints.txt \
        "$(echo "$W"/wheel/edgeunet-*.whl)[desktop,openvino,export,video,bench]" pytest pytest-timeout hypothesis ||
        die "aarch64 wheels cannot be fetched here, or there are none"
    printf '#!/opt/venv/bin/python3\nfrom edgeunet.cli import main\nmain()\n' >"$R/opt/venv/bin/edgeunet"
    chmod +x "$R/opt/venv/bin/edgeunet"
    du -sm "$R" | sed "s|$W/|MB |; s/^/   /"
}

# What Linux prints on an Orin. Without it ONNX Runtime 1.32 crashes at import: qemu 7.2 shows the host's /proc/cpuinfo.
cpuinfo() {
    local n
    for n in 0 1; do
        printf 'processor\t: %s\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nBogoMIPS\t: 62.50\n' $n
        printf 'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop '
        printf 'asimddp uscat ilrcpc flagm paca pacg\n'
        printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd42\nCPU revision\t: 1\n\n'
    done
}

arm() { # COMMAND...: in the ARM root; its mounts end with it
    # shellcheck disable=SC2016  # for the inner bash
    unshare -m --propagation private bash -c 'R=$0 W=$1 CPU=$2; shift 2
        mount -t proc proc "$R/proc"; mount --bind /sys "$R/sys"; mount --rbind /dev "$R/dev"
        mount --bind "$W/cpuinfo" "$R/proc/cpuinfo"; mount --bind "$W/arch" "$R/proc/sys/kernel/arch"
        cd /; exec chroot "$R" /usr/bin/env -i HOME=/root LANG=C.UTF-8 QEMU_CPU=$CPU \
            PATH=/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' "$R" "$W" "$CPU" "$@"
}

masks() { # frames of the network's size: OpenCV resizes with other rounding on ARM
    local name backend
    "$PYTHON" -m tests.arm.compare_masks frames "$R/opt/frames"
    for name in fp32 int8; do
        for backend in onnxruntime openvino; do
            quiet "$PYTHON" -m edgeunet predict "$W/models/$name.onnx" "$R/opt/frames" -o "$W/x86/$name-$backend" \
                --backend $backend --threads 1
            quiet arm edgeunet predict "/opt/models/$name.onnx" /opt/frames -o "/opt/out/$name-$backend" \
                --backend $backend --threads 1
        done
    done
    "$PYTHON" -m tests.arm.compare_masks "$W/x86" "$R/opt/out"
}

commands() {
    local samples=/opt/edgeunet/edgeunet/samples
    arm edgeunet --help >/dev/null
    arm edgeunet doctor
    arm edgeunet info /opt/models/int8.onnx
    arm edgeunet evaluate /opt/models/int8.onnx $samples/road
    arm edgeunet camera /opt/models/int8.onnx --record /opt/out/arm.mp4 --max-frames 10 --source $samples/clip/highway.mp4 \
        --save-masks /opt/out/masks --stall-s 300
    arm python3 -c 'import cv2; c = cv2.VideoCapture("/opt/out/arm.mp4"); n = 0
while c.read()[0]: n += 1
assert n == 10, n; print("   10 frames recorded, and read again")'
    arm edgeunet bench run /opt/models/int8.onnx --seconds 5 -o /opt/out/record.json
    arm edgeunet bench report /opt/out/record.json -o /opt/out/report.html
}

tests() { # 900 s, for emulation is slow
    # shellcheck disable=SC2086  # arguments of pytest
    arm bash -c 'cd /opt/edgeunet && exec python3 -m pytest -q -p no:cacheprovider -m "not slow" --timeout 900 "$@"' pytest $TESTS
}

export PYTHONPATH=.:export:benchmarks
step 'emulator' emulator
mkdir -p "$R" && cpuinfo >"$W/cpuinfo" && echo aarch64 >"$W/arch"
step 'model, on x86-64' model
step 'system' system
step 'packages' packages
cp -r "$W/models" "$R/opt/"
step 'masks, ARM against x86-64' masks
step 'commands' commands
[ -z "$TESTS" ] || step 'tests' tests
echo "check-arm: as it should be"
