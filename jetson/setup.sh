#!/usr/bin/env bash
# Make a Jetson ready for edgeunet: check the board, install what is missing, make a venv, look at the result.
# Everything that is there already is left as it is, so it can be run again and again.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROOT=${EDGEUNET_SETUP_ROOT:-}   # where the system's files are looked up; tests give a made board
CUDA=$ROOT/usr/local/cuda/bin
EXTRAS="export,video,serve,bench"
UNITS=$ROOT/etc/systemd/system
LEAST_DISK_MB=3000              # Python's packages, and what building pycuda needs for a while
LEAST_SWAP_KB=2000000
SMALL_MEMORY_KB=9000000

VENV=$HERE/.venv-jetson
WHEELS=
DRY_RUN=false
IN_IMAGE=false
APT_UPDATED=false

usage() {
    cat <<EOF
usage: jetson/setup.sh [--dry-run] [--venv DIR] [--wheels DIR]

  --dry-run     say what would be done, and change nothing
  --venv DIR    where to make the virtual environment (default: $VENV)
  --wheels DIR  take Python packages from this folder, without a network; on a board that has one (where pycuda
                cannot be built, leave out tensorrt):
                PATH=/usr/local/cuda/bin:\$PATH $VENV/bin/pip wheel -w DIR \\
                    -c $VENV/edgeunet-constraints.txt \\
                    '.[tensorrt,$EXTRAS]' hatchling editables
  --image       the steps of jetson/Dockerfile: nothing of the board can be seen while an image is built
EOF
}

ok() { printf 'ok       %s\n' "$*"; }
warning() { printf 'warning  %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

run() {
    printf '+ %s\n' "$*"
    if ! $DRY_RUN; then "$@"; fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then run "$@"; else run sudo "$@"; fi
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run) DRY_RUN=true ;;
            --image) IN_IMAGE=true ;;
            --venv | --wheels)
                [ $# -gt 1 ] || { printf 'error: %s needs a folder\n' "$1" >&2; exit 2; }
                if [ "$1" = --venv ]; then VENV=$(realpath -m "$2"); else WHEELS=$(realpath -m "$2"); fi
                shift
                ;;
            -h | --help) usage; exit 0 ;;
            *) printf 'error: unknown option %s\n' "$1" >&2; usage >&2; exit 2 ;;
        esac
        shift
    done
    if [ -n "$WHEELS" ] && [ ! -d "$WHEELS" ]; then
        die "--wheels $WHEELS is no folder: make it on a board with a network, see --help"
    fi
}

check_board() {
    local model release major minor
    model=$(tr -d '\0' 2>/dev/null <"$ROOT/proc/device-tree/model" || true)
    release=$(sed -n 's/^# R\([0-9]*\) (release), REVISION: \([0-9]*\).*/\1 \2/p' \
        "$ROOT/etc/nv_tegra_release" 2>/dev/null || true)
    [ -n "$release" ] ||
        die "this is no Jetson (${model:-no board name}, no /etc/nv_tegra_release): on a PC use 'make setup'"
    read -r major minor <<<"$release"
    case $model in
        *Orin* | *Thor*) ok "board: $model" ;;
        *) die "$model gets no JetPack 6: an Orin or a Thor is needed" ;;
    esac
    if [ "$major" -lt 36 ] || { [ "$major" = 36 ] && [ "$minor" -lt 4 ]; }; then
        die "Jetson Linux R$major.$minor is older than JetPack 6.1 (R36.4), whose Python 3.10 and TensorRT 10.3 are" \
            "needed: flash JetPack 6.1 or later"
    fi
    ok "Jetson Linux: R$major.$minor"
}

check_python() {
    local version
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        die "there is no python3: sudo apt install python3"
    case $version in
        3.10 | 3.11 | 3.12) ok "Python: $version" ;;
        *) die "python3 is $version, and 3.10 to 3.12 are needed: JetPack 6 brings 3.10, JetPack 7 brings 3.12" ;;
    esac
}

free_mb() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }

require_room() { # folder, MB, for what
    local free
    free=$(free_mb "$1")
    [ "$free" -ge "$2" ] ||
        die "$free MB are free in $1, and $2 MB are needed for $3: sudo apt clean," \
            "sudo journalctl --vacuum-size=100M, or a larger disk"
}

check_disk() {
    require_room "$HERE" "$LEAST_DISK_MB" "Python's packages"
    ok "disk: $(free_mb "$HERE") MB free"
}

check_memory() {
    local memory swap
    memory=$(awk '/^MemTotal:/ { print $2 }' "$ROOT/proc/meminfo")
    # Compressed memory (zram), which JetPack turns on, gives an engine build no more of it.
    swap=$(awk 'NR > 1 && $1 !~ /zram/ { kb += $3 } END { print kb + 0 }' "$ROOT/proc/swaps" 2>/dev/null || echo 0)
    if [ "$memory" -lt "$SMALL_MEMORY_KB" ] && [ "$swap" -lt "$LEAST_SWAP_KB" ]; then
        warning "memory: $((memory / 1000)) MB and $((swap / 1000)) MB of swap (without zram); an engine build may be" \
            "killed: sudo systemctl disable nvzramconfig; sudo fallocate -l 8G /swapfile &&" \
            "sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile &&" \
            "echo '/swapfile none swap sw 0 0' | sudo tee -a /etc/fstab"
    else
        ok "memory: $((memory / 1000)) MB, swap $((swap / 1000)) MB"
    fi
}

gstreamer_in_opencv() {
    python3 - 2>/dev/null <<'EOF'
import cv2
raise SystemExit(not any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()))
EOF
}

# A pip wheel of OpenCV hides the system's from every venv that sees the system's packages.
require_no_foreign_opencv() {
    local file
    # Not imported: one for another NumPy does not load, and hides the system's all the same.
    file=$(python3 -c 'import importlib.util; print(importlib.util.find_spec("cv2").origin)' 2>/dev/null || true)
    case $file in
        *site-packages* | /usr/local/*)
            gstreamer_in_opencv ||
                die "$file is pip's OpenCV, which does not load or has no GStreamer, and hides the system's:" \
                    "python3 -m pip uninstall opencv-python opencv-python-headless opencv-contrib-python"
            ;;
    esac
}

# Asked for by what it does, not by a package's name: JetPack's own packages count, and so does what was built by hand.
missing_packages() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v gst-inspect-1.0 >/dev/null || echo gstreamer1.0-tools
    # Not imported: while an image is built, the driver's libraries that it loads are not there.
    python3 -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("tensorrt") is None)' ||
        echo python3-libnvinfer
}

apt_update() {
    if $APT_UPDATED || [ -n "$WHEELS" ]; then return; fi
    as_root apt-get update || warning "apt-get update failed; going on with the lists of before"
    APT_UPDATED=true
}

apt_install() {
    local install=(apt-get install --no-install-recommends --no-remove) needed_mb=0
    [ -z "$WHEELS" ] || die "without a network the system's packages cannot be had: sudo ${install[*]} $*"
    apt_update
    if ! $DRY_RUN; then
        # "Need to get 1,234 MB of archives", "After this operation, 5.6 GB of additional disk space will be used."
        needed_mb=$(LC_ALL=C as_root "${install[@]}" --assume-no "$@" 2>/dev/null | awk '
            /^(Need to get|After this operation,) / {
                gsub(",", "", $4); mb += $4 * ($5 ~ /^GB/ ? 1000 : $5 ~ /^MB/ ? 1 : 0.001) }
            END { print int(mb) }') || true
    fi
    require_room "$ROOT/" $((needed_mb + LEAST_DISK_MB)) "$* and Python's packages"
    as_root "${install[@]}" -y "$@" ||
        die "apt-get could not install $* without removing what is installed: the lines above say why"
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    if ! gstreamer_in_opencv; then
        apt_update
        if apt-cache show libopencv-python >/dev/null 2>&1; then
            missing+=(libopencv-python)
        else
            missing+=(python3-opencv)
        fi
    fi
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
    $APT_UPDATED || ok "system packages: nothing is missing"
}

check_tensorrt() {
    local version
    version=$(python3 -c 'import tensorrt; print(tensorrt.__version__)' 2>/dev/null || true)
    if [ -z "$version" ]; then
        $DRY_RUN || die "TensorRT's Python package does not load: python3 -c 'import tensorrt' says why"
        return
    fi
    python3 -c 'import re, sys; sys.exit(tuple(map(int, re.findall(r"\d+", sys.argv[1])))[:2] < (10, 3))' "$version" ||
        die "TensorRT $version is too old, 10.3 or later is needed: it comes with JetPack 6.1"
    ok "TensorRT: $version"
}

make_venv() {
    local wheel
    if [ -f "$VENV/pyvenv.cfg" ] && ! grep -q '^include-system-site-packages = true' "$VENV/pyvenv.cfg"; then
        die "$VENV does not see the system's TensorRT and OpenCV: give another folder with --venv"
    fi
    if [ -x "$VENV/bin/pip" ]; then
        ok "venv: $VENV"
    else
        run python3 -m venv --system-site-packages "$VENV"
    fi
    for wheel in "$VENV"/lib/python3*/site-packages/opencv_*.dist-info; do
        if [ -d "$wheel" ]; then
            run "$VENV/bin/python" -m pip uninstall -y "$(basename "$wheel" | sed 's/-.*//')"
        fi
    done
}

# The versions that were tested together. But the system's OpenCV was built for one generation of numpy, and no wheel of
# OpenCV may take its place.
constraints() {
    local generation
    generation=$(python3 -c 'import numpy; print(numpy.__version__.partition(".")[0])' 2>/dev/null || echo 1)
    grep -v -e '^#' -e '^numpy==' -e '^opencv-python==' "$HERE/constraints.txt"
    echo "numpy<$((generation + 1))"
    printf '%s<0\n' opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless
}

install_edgeunet() {
    local state pip=(env "PATH=$CUDA:$PATH" "$VENV/bin/python" -m pip install)
    local stamp=$VENV/edgeunet-setup.sha256 limits=$VENV/edgeunet-constraints.txt
    # With the compilers: where they came later, pycuda can be built now.
    state=$({ constraints; cat "$HERE/pyproject.toml"; python3 --version; type -P g++ "$CUDA/nvcc" || true; } | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
        ok "edgeunet and its packages: as before"
        return
    fi
    [ -z "$WHEELS" ] || pip+=(--no-index --find-links "$WHEELS")
    $DRY_RUN || constraints >"$limits"
    pip+=(--constraint "$limits" --editable)
    run "${pip[@]}" "${HERE}[$EXTRAS]" || die "pip could not install the packages: the lines above say why"
    # Compiled here, with g++, Python's headers and nvcc, none of which is asked for: without it engines run as well.
    run "${pip[@]}" "${HERE}[tensorrt]" ||
        warning "pycuda: could not be built, the lines above say why; engines run without it, through ctypes"
    $DRY_RUN || printf '%s\n' "$state" >"$stamp"
}

# Units that were installed from an older checkout; changes of one's own belong to `systemctl edit`.
renew_units() {
    local unit stale=()
    for unit in "$HERE"/jetson/edgeunet-*.service "$HERE"/jetson/edgeunet-*.timer; do
        if [ -e "$UNITS/${unit##*/}" ] && ! cmp -s "$unit" "$UNITS/${unit##*/}"; then stale+=("$unit"); fi
    done
    [ ${#stale[@]} -gt 0 ] || return 0
    as_root cp --backup "${stale[@]}" "$UNITS/"
    as_root systemctl daemon-reload
    warning "services: new units, what was there has a ~; sudo systemctl restart 'edgeunet-camera@*' runs them"
}

look() {
    local code=0
    run "$VENV/bin/edgeunet" doctor || code=$?
    case $code in
        0) ;;
        1) die "edgeunet is installed, and the lines marked wrong say what is still in its way" ;;
        *) die "edgeunet is installed, and its doctor ended with exit code $code before it had looked at everything:" \
            "the lines above say how far it came; PYTHONFAULTHANDLER=1 $VENV/bin/edgeunet doctor says where" ;;
    esac
    printf 'use it   . %s/bin/activate\n' "$VENV"
}

parse "$@"
$IN_IMAGE || check_board
check_python
check_disk
$IN_IMAGE || check_memory
require_no_foreign_opencv
install_packages
$IN_IMAGE || check_tensorrt
make_venv
install_edgeunet
$IN_IMAGE || renew_units
$IN_IMAGE || look
