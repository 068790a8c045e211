#!/usr/bin/env bash
# edgeunet on 64-bit ARM without an ARM machine: qemu-user on an x86-64 Debian. From the root of a git checkout, as root:
#
#   tests/arm/arm.sh [MODELS [FOLDER]]      default: runs/demo (of `make demo`) and runs/arm
#
# MODELS has fp32.onnx and int8.onnx. FOLDER is made: 1.1 GB. Nothing else is kept. Options are variables:
#   RUN="nice -n 5"   goes before every heavy command        TESTS=   (empty) leaves the tests out; else paths for pytest
#   CPU=cortex-a76    what is emulated: the nearest to an Orin's Cortex-A78AE (dot products, no SVE)
#   PYTHON            an interpreter with edgeunet's packages, if not .venv/bin/python
#
# It builds an arm64 root of Debian and a venv of aarch64 wheels (the project's own among them), and runs there: masks of
# both files in both backends, held against x86-64's (fp32 99.99 %, INT8 99.0 % of the pixels), `--help`, `doctor`, `info`,
# `camera` with a recording that is read again, and a part of the tests, those without limits of real time. It says
# nothing of latency, TensorRT, a GPU, cameras or sensors. 4 minutes on two cores, ten times that on a busy machine.
# `apt-get update` must have run.
#
# No ARM code runs while packages are installed: an apt of its own resolves them, x86's dpkg unpacks, x86's pip picks wheels
# by --platform. debootstrap with everything emulated takes half an hour instead.
set -euo pipefail
case ${1:-} in -*) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
MODELS=$(realpath -m "${1:-runs/demo}") W=$(realpath -m "${2:-runs/arm}")
PYTHON=$(realpath -s "${PYTHON:-.venv/bin/python}") RUN=${RUN:-} CPU=${CPU:-cortex-a76}
TESTS=${TESTS-tests/runtime/cpu tests/runtime/test_model_metadata.py tests/imaging tests/test_spec.py tests/board/test_fingerprint.py}
R=$W/root
FORMATS=/proc/sys/fs/binfmt_misc

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
[ -d tests/arm ] || die "run it from the root of the checkout"
[ "$(id -u)" = 0 ] || die "root is needed, for chroot and mounts"
[ -x "$PYTHON" ] || die "$PYTHON is missing: make setup, or PYTHON=an interpreter with edgeunet's packages"
for model in fp32 int8; do [ -s "$MODELS/$model.onnx" ] || die "$MODELS/$model.onnx is missing: make demo"; done
[ ! -e "$W" ] || [ -z "$(ls -A "$W")" ] || die "$W is not empty: give a new folder"

TIMEFORMAT='   %R s, of a CPU %U and %S s'
step() { printf '== %s\n' "$1"; shift; time "$@"; }

emulator() {
    command -v qemu-aarch64-static >/dev/null ||
        apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null
    qemu-aarch64-static --version | head -1 | sed 's/^/   /'
    mountpoint -q "$FORMATS" || mount -t binfmt_misc binfmt_misc "$FORMATS"
    [ ! -e "$FORMATS/qemu-aarch64" ] || return 0
    # F: the kernel opens the interpreter now, so that the ARM root needs no copy of it.
    local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf ':qemu-aarch64:M::%s:%s:%s:OCF' "$magic" "$mask" "$(command -v qemu-aarch64-static)" >"$FORMATS/register"
    trap 'echo -1 >"$FORMATS/qemu-aarch64"' EXIT # as it was before
}

system() {
    local own=$W/apt deb
    mkdir -p "$own"/etc/apt/{sources.list.d,apt.conf.d,preferences.d,trusted.gpg.d} "$R" \
        "$own"/var/{lib/apt/lists/partial,lib/dpkg,cache/apt/archives/partial}
    : >"$own/var/lib/dpkg/status"
    # The mirror is the one that this machine's apt has, and so is the proxy.
    apt-get indextargets --format \
        "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \$(REPO_URI) \$(RELEASE) \$(COMPONENT) #\$(ORIGIN)" \
        'Created-By: Packages' | sed -n 's/ #Debian$//p' | sort -u >"$own/etc/apt/sources.list"
    [ -s "$own/etc/apt/sources.list" ] || die "apt knows no mirror of Debian: apt-get update, on a Debian"
    apt-config dump | grep -E '^Acquire::https?::' >"$own/etc/apt/apt.conf.d/proxy" || true
    local apt=(apt-get -qq -o Dir="$own" -o Dir::State::status="$own/var/lib/dpkg/status"
        -o Dir::Etc::Parts="$own/etc/apt/apt.conf.d" -o APT::Architecture=arm64 -o APT::Architectures=arm64
        -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update
    "${apt[@]}" install -y -d --no-install-recommends python3 bash dash coreutils sed mawk grep findutils libgl1 \
        libglib2.0-0 libstdc++6 >/dev/null
    for deb in "$own"/var/cache/apt/archives/*.deb; do $RUN dpkg -x "$deb" "$R"; done
    mkdir -p "$R"/{proc,sys,dev,tmp,opt/edgeunet,opt/models,opt/frames,opt/out}
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
    cp -r "$R/opt/edgeunet" "$W/copy" && $RUN "$PYTHON" -m pip wheel -q --no-deps -w "$W/wheel" "$W/copy"
    arm python3 -m venv --without-pip /opt/venv
    # pip warns of what this Python has beside the target, which does not matter.
    $RUN "$PYTHON" -m pip install -qq --target "$site" --only-binary=:all: --implementation cp \
        --python-version "${version#python}" "${platforms[@]}" -c constraints.txt \
        "$(echo "$W"/wheel/edgeunet-*.whl)[desktop,openvino,export,video,bench]" pytest pytest-timeout hypothesis
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
    unshare -m --propagation private bash -c 'R=$0 W=$1 CPU=$2 RUN=$3; shift 3
        mount -t proc proc $R/proc; mount --bind /sys $R/sys; mount --rbind /dev $R/dev
        mount --bind $W/cpuinfo $R/proc/cpuinfo; mount --bind $W/arch $R/proc/sys/kernel/arch
        cd /; exec $RUN chroot $R /usr/bin/env -i HOME=/root LANG=C.UTF-8 QEMU_CPU=$CPU \
            PATH=/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' "$R" "$W" "$CPU" "$RUN" "$@"
}

masks() { # frames that need no fitting, through both files and both backends, here and there
    local name backend
    "$PYTHON" -m edgeunet info "$MODELS/fp32.onnx" --json | "$PYTHON" -c 'if True:
        import json, sys, cv2
        from pathlib import Path
        height, width = json.load(sys.stdin)["input_size"]
        for image in Path("edgeunet/samples/road/images/val").iterdir():
            cv2.imwrite(f"{sys.argv[1]}/{image.stem}.png", cv2.resize(cv2.imread(str(image)), (width, height)))' "$R/opt/frames"
    for name in fp32 int8; do
        for backend in onnxruntime openvino; do
            $RUN "$PYTHON" -m edgeunet predict "$MODELS/$name.onnx" "$R/opt/frames" -o "$W/x86/$name-$backend" \
                --backend $backend --threads 1
            arm edgeunet predict "/opt/models/$name.onnx" /opt/frames -o "/opt/out/$name-$backend" \
                --backend $backend --threads 1
        done
    done
    "$PYTHON" - "$W/x86" "$R/opt/out" <<'PY'
import sys
from pathlib import Path
import cv2
import numpy as np
x86, arm = map(Path, sys.argv[1:])
bad = []
for folder in sorted(x86.iterdir()):
    files = [file.name for file in folder.glob("*.mask.png")]
    one, other = (np.stack([cv2.imread(str(where / folder.name / file), 0) for file in files]) for where in (x86, arm))
    same, least = 100 * (one == other).mean(), 99.99 if folder.name.startswith("fp32") else 99.0
    print(f"   {folder.name}: {same:.4f} % of {one.size} pixels as on x86, at least {least} wanted; classes {np.unique(one)}")
    if same < least:
        bad.append(folder.name)
if bad:
    sys.exit(f"other masks on ARM: {', '.join(bad)}")
PY
}

commands() {
    arm edgeunet --help >/dev/null
    arm edgeunet doctor
    arm edgeunet info /opt/models/int8.onnx
    arm edgeunet camera /opt/models/int8.onnx --backend onnxruntime --record /opt/out/arm.mp4 --max-frames 10 \
        --source /opt/edgeunet/edgeunet/samples/clip/highway.mp4 --save-masks /opt/out/masks --stall-s 300
    arm python3 -c 'import cv2; c = cv2.VideoCapture("/opt/out/arm.mp4"); n = 0
while c.read()[0]: n += 1
assert n == 10, n; print("   10 frames recorded, and read again")'
}

tests() { # 900 s, for emulation is slow
    # shellcheck disable=SC2086  # a list of paths
    arm bash -c 'cd /opt/edgeunet && exec python3 -m pytest -q -p no:cacheprovider --timeout 900 "$@"' pytest $TESTS
}

step 'emulator' emulator
mkdir -p "$W" && cpuinfo >"$W/cpuinfo" && echo aarch64 >"$W/arch"
step 'system' system
step 'packages' packages
cp "$MODELS"/{fp32,int8}.onnx "$R/opt/models/"
step 'masks, ARM against x86' masks
step 'commands' commands
[ -z "$TESTS" ] || step 'tests' tests
echo "ARM: as it should be"
