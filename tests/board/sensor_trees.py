"""Made system trees, not recordings: the files that hold a machine's sensors, as Linux and Jetson Linux name them.

Values and names follow documentation and users' logs of such machines.
"""

from __future__ import annotations

from pathlib import Path

Tree = dict[str, str]
PID = 77
GARBAGE = ("", "\n", "nan", "inf", "1e9", "-1", "0", "9" * 300, "9" * 4000, "12 34", "cpu", "cpu  1 2", "\0\xff", "off")
"""What a file should not hold."""
_HWMON, _THERMAL = "sys/class/hwmon", "sys/class/thermal"


def write_tree(root: Path, tree: Tree) -> Path:
    """Put the files under `root`."""
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def _ina3221(number: int, rails: dict[int, tuple[str, int, int]]) -> Tree:
    """A three-channel power monitor: label, mV and mA by channel. Behind them stand the shunts' voltages."""
    chip = f"{_HWMON}/hwmon{number}"
    tree = {f"{chip}/name": "ina3221\n", f"{chip}/in7_label": "sum of shunt voltages\n", f"{chip}/in7_input": "1\n"}
    for channel, (label, millivolts, milliamperes) in rails.items():
        tree |= {
            f"{chip}/in{channel}_label": f"{label}\n",
            f"{chip}/in{channel}_input": f"{millivolts}\n",
            f"{chip}/curr{channel}_input": f"{milliamperes}\n",
        }
    return tree


def _zones(temperatures: dict[str, str]) -> Tree:
    tree: Tree = {}
    for number, (kind, text) in enumerate(temperatures.items()):
        tree |= {f"{_THERMAL}/thermal_zone{number}/type": f"{kind}\n", f"{_THERMAL}/thermal_zone{number}/temp": text}
    return tree


def _cooling(states: dict[str, int]) -> Tree:
    tree: Tree = {}
    for number, (kind, state) in enumerate(states.items()):
        device = f"{_THERMAL}/cooling_device{number}"
        tree |= {f"{device}/type": f"{kind}\n", f"{device}/cur_state": f"{state}\n"}
    return tree


def _policies(kilohertz: dict[int, int]) -> Tree:
    folder = "sys/devices/system/cpu/cpufreq"
    return {f"{folder}/policy{cpu}/scaling_cur_freq": f"{clock}\n" for cpu, clock in kilohertz.items()}


_OVER_CURRENT = {
    f"{_HWMON}/hwmon3/name": "soctherm_oc\n",
    f"{_HWMON}/hwmon3/oc1_event_cnt": "0\n",
    f"{_HWMON}/hwmon3/oc3_event_cnt": "37\n",
}
VM = {
    "proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\n",
    f"proc/{PID}/statm": "765 438 410 5 0 123 0\n",
}
"""A virtual machine: no sensors but the kernel's own."""

ORIN_NANO = {
    **VM,
    **_policies({0: 729600, 4: 1510400}),
    "sys/class/devfreq/17000000.gpu/cur_freq": "306000000\n",
    "sys/class/devfreq/17000000.gpu/device/load": "260\n",
    "sys/class/devfreq/15340000.vic/cur_freq": "115200000\n",
    **_ina3221(1, {1: ("VDD_IN", 4968, 1000), 2: ("VDD_CPU_GPU_CV", 4968, 186), 3: ("VDD_SOC", 4968, 302)}),
    **_zones(
        {"cpu-thermal": "46031\n", "gpu-thermal": "-256000\n", "tj-thermal": "46406\n", "soc1-thermal": "44375\n"}
    ),
    **_cooling({"pwm-fan": 3, "cpu-throttle-alert": 0, "gpu-throttle-alert": 0, "hot-surface-alert": 0}),
    **_OVER_CURRENT,
}

AGX_ORIN = {
    **VM,
    **_policies({0: 2201600, 4: 2201600, 8: 2201600}),
    "sys/class/devfreq/17000000.ga10b/cur_freq": "407000000\n",
    "sys/class/devfreq/17000000.ga10b/device/load": "140\n",
    **_ina3221(1, {1: ("VDD_GPU_SOC", 843, 3737), 2: ("VDD_CPU_CV", 780, 18349), 3: ("VIN_SYS_5V0", 4968, 1000)}),
    **_ina3221(2, {1: ("NC", 0, 0), 2: ("VDDQ_VDD2_1V8AO", 1800, 606)}),
    **_zones({"CPU-therm": "77281\n", "GPU-therm": "69125\n", "Tboard_tegra": "62000\n", "tj-therm": "77281\n"}),
    **_cooling({"pwm-fan": 255, "cpu-throttle-alert": 1, "cpufreq-cpu0": 4}),
    **_OVER_CURRENT,
}

THOR = {
    **VM,
    **_policies({0: 2601000}),
    "sys/class/devfreq/gpu-gpc-0/cur_freq": "1575000000\n",
    "sys/class/devfreq/gpu-nvd-0/cur_freq": "1692000000\n",
    **_ina3221(1, {1: ("VDD_GPU", 12040, 3117), 2: ("VDD_CPU_SOC_MSS", 12040, 1575), 3: ("VIN_SYS_5V0", 5088, 3603)}),
    f"{_HWMON}/hwmon4/name": "ina238\n",
    f"{_HWMON}/hwmon4/label": "VIN\n",
    f"{_HWMON}/hwmon4/power1_input": "87426000\n",
    **_zones({"cpu-thermal": "53700\n", "gpu-thermal": "62906\n", "soc345-thermal": "63281\n"}),
    **_cooling({"pwm-fan": 1, "gpu-throttle-alert": 0, "devfreq-gpu-gpc-0": 0}),
    **_OVER_CURRENT,
}

PC = {
    **VM,
    **_policies({0: 4900000, 1: 800000}),
    **_zones({"acpitz": "27800\n", "x86_pkg_temp": "61000\n"}),
    **_cooling({"Processor": 0, "intel_powerclamp": -1}),
    f"{_HWMON}/hwmon2/name": "coretemp\n",
    f"{_HWMON}/hwmon2/temp1_input": "61000\n",
    f"{_HWMON}/hwmon5/name": "ucsi_source_psy_USBC000:001\n",
    f"{_HWMON}/hwmon5/in1_input": "5000\n",
    f"{_HWMON}/hwmon5/curr1_input": "3000\n",
    **{f"sys/class/powercap/intel-rapl:0/{k}": v for k, v in {"name": "package-0\n", "energy_uj": "5000000\n"}.items()},
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
    **{f"sys/class/powercap/intel-rapl:0:0/{k}": v for k, v in {"name": "core\n", "energy_uj": "4000000\n"}.items()},
    **{f"sys/class/powercap/intel-rapl:0:2/{k}": v for k, v in {"name": "dram\n", "energy_uj": "100000\n"}.items()},
    **{
        f"sys/class/powercap/intel-rapl-mmio:0/{k}": v
        for k, v in {"name": "package-0\n", "energy_uj": "5000000\n"}.items()
    },
    **{
        f"sys/devices/system/cpu/cpu{cpu}/{name}": text
        for cpu in (0, 1)
        for name, text in {
            "topology/thread_siblings_list": "0-1\n",
            "topology/physical_package_id": "0\n",
            "thermal_throttle/core_throttle_count": "12\n",
            "thermal_throttle/package_throttle_count": "40\n",
        }.items()
    },
    "proc/thread-self/status": "Name:\tpython\nCpus_allowed_list:\t0-1\n",
}
