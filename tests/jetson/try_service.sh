#!/usr/bin/env bash
# jetson/edgeunet-camera@.service, really started by systemd in a container over this machine's files (root only).
# A stand-in for what needs a GPU: the engine "built" is the ONNX file, which then runs behind a synthetic camera.
#   tests/jetson/try_service.sh CHECKOUT    with the venv that jetson/setup.sh has made in it
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$(realpath "$1")
command -v systemd-nspawn >/dev/null || { echo "service NOT TRIED: apt install systemd-container"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "service NOT TRIED: root is needed"; exit 0; }
work=$(mktemp -d)
trap 'umount "$work/root" 2>/dev/null || true; rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work"/{root,upper,overlay,out}
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" "$work/root" 2>/dev/null ||
    { echo "service NOT TRIED: no overlay file system can be mounted here"; exit 0; }

PYTHONPATH=. "$checkout/.venv-jetson/bin/python" -c \
    "from pathlib import Path; from tests.models import write_toy_model; write_toy_model(Path('$work/model.onnx'))"
cat >"$work/edgeunet" <<EOF
#!/bin/bash
if [ "\$1" = export ]; then
    mktemp >/dev/null && mkdir -p "\$CUDA_CACHE_PATH" && cp "\$3" model.onnx && touch model.engine
    exit
fi
shift 2
exec $checkout/.venv-jetson/bin/edgeunet camera model.onnx "\$@"
EOF
cat >"$work/check.sh" <<EOF
#!/bin/bash
# Inside: what does not hold is written down.
exec >/out/log 2>&1
set -x
unit=edgeunet-camera@front
expect() { [ "\$(systemctl show -p "\$1" --value \$unit)" = "\$2" ] || echo "\$1 is not \$2" >>/out/failed; }
until_it_is() { for _ in \$(seq 300); do
    [ "\$(systemctl show -p "\$1" --value \$unit)" = "\$2" ] && return; sleep 0.2; done; expect "\$1" "\$2"; }
getent group render || groupadd --system render
useradd --system --no-create-home --groups video,render edgeunet
cp $PWD/jetson/edgeunet-* /etc/systemd/system/
mkdir -p /etc/edgeunet /etc/systemd/system/\$unit.service.d
printf '[Service]\nWatchdogSec=5s\n' >/etc/systemd/system/\$unit.service.d/fast.conf
printf '%s\n' MODEL=/model.onnx 'EDGEUNET_SOURCE=synthetic://?width=320&height=240&fps=10' 'CAMERA_OPTIONS=--serve 8080' \
    >/etc/edgeunet/front.env
systemctl daemon-reload
systemctl start \$unit || echo "it does not start" >>/out/failed
expect ActiveState active
curl -sf http://127.0.0.1:8080/ | grep -q '<html' || echo "its page does not answer" >>/out/failed
[ "\$(stat -c %U /var/lib/edgeunet/front/model.engine)" = edgeunet ] || echo "the engine is not its own" >>/out/failed
[ "\$(stat -c %U /var/cache/edgeunet/front/cuda)" = edgeunet ] || echo "it has no cache of its own" >>/out/failed
kill -STOP "\$(systemctl show -p MainPID --value \$unit)"
until_it_is NRestarts 1
until_it_is ActiveState active
journalctl -u \$unit | grep -q 'Watchdog timeout' || echo "the watchdog did not end it" >>/out/failed
systemctl stop \$unit
expect Result success
expect ActiveState inactive
echo 'CAMERA_OPTIONS=--no-such-option' >>/etc/edgeunet/front.env
systemctl start \$unit && echo "it starts with a wrong option" >>/out/failed
expect ActiveState failed
systemctl start edgeunet-soak.timer || echo "the timer does not start" >>/out/failed
journalctl --no-pager -u \$unit
touch /out/done
systemctl poweroff --force --force
EOF
printf '[Service]\nType=oneshot\nExecStart=/bin/bash /check.sh\n' >"$work/check.service"
chmod 755 "$work/edgeunet"

timeout 240 systemd-nspawn --quiet --directory="$work/root" --register=no --keep-unit --link-journal=no --boot \
    --bind-ro="$checkout" --bind-ro="$checkout:/opt/edgeunet" --bind-ro="$PWD" \
    --bind-ro="$work/edgeunet:/opt/edgeunet/.venv-jetson/bin/edgeunet" \
    --bind-ro="$work/model.onnx:/model.onnx" --bind-ro="$work/check.sh:/check.sh" --bind="$work/out:/out" \
    --bind-ro="$work/check.service:/etc/systemd/system/check.service" \
    systemd.unit=check.service >"$work/console" 2>&1 </dev/null || true
if [ ! -e "$work/out/log" ]; then
    tail -3 "$work/console"
    echo "service NOT TRIED: systemd does not start in a container here"
elif [ -s "$work/out/failed" ] || [ ! -e "$work/out/done" ]; then
    cat "$work/out/log" "$work/out/failed" >&2 || true
    echo "FAILED: the service does not do what it should" >&2
    exit 1
else
    echo "service: started, watched, started again, stopped and refused as it should be (systemd in a container)"
fi
