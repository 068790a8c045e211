"""A stand-in for NVIDIA's nvpmodel, which exists on a Jetson only: prints what users' logs show.

The mode that is set stands in a file beside the program, and so does every mode that was asked for.
"""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path

_PROGRAM = """
import pathlib, sys
folder = pathlib.Path(__file__).parent
modes, needs_reboot, refused = {modes!r}, {needs_reboot!r}, {refused!r}
if sys.argv[1:] == ["-p", "--verbose"]:
    print("NVPM VERB: Config file: /etc/nvpmodel.conf")
    for number, name in modes.items():
        print(f"NVPM VERB: POWER_MODEL: ID={{number}} NAME={{name}}")
elif sys.argv[1:] == ["-q"]:
    number = int((folder / "mode").read_text())
    print(f"NV Power Mode: {{modes[number]}}\\n{{number}}")
else:
    option, text = sys.argv[1:]
    number = int(text)
    with (folder / "asked").open("a") as log:
        log.write(f"{{modes[number]}}\\n")
    if not {root}:
        print("NVPM ERROR: Error opening /var/lib/nvpmodel/status: 13\\nNVPM ERROR: failed to set power mode!\\n"
              "NVPM ERROR: optMask is 1, no request for power mode")
        sys.exit(0)
    if modes[number] in refused:
        print("NVPM ERROR: failed to set CPU_A78_0 MAX_FREQ")
        sys.exit(1)
    if modes[number] in needs_reboot:
        print(f"NVPM WARN: Golden image context is already created\\n"
              f"NVPM WARN: Reboot required for changing to this power mode: {{number}}\\n"
              "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:", flush=True)
        if input().lower() == "yes":
            (folder / "rebooted").touch()
        print("NVPM ERROR: bad input!\\nNVPM ERROR: optMask is 1, no request for power mode")
        sys.exit({declined})
    (folder / "new").write_text(text)
    (folder / "new").replace(folder / "mode")
"""


class FakeNvpmodel:
    """The program in a folder for PATH, set to mode 1.

    needs_reboot, refused: names of modes that it does not set. declined: its exit code after a reboot was declined.
    root: whether its user is root; for another user it sets nothing, and ends with exit code 0.
    """

    modes = {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"}  # noqa: RUF012

    def __init__(
        self,
        folder: Path,
        needs_reboot: tuple[str, ...] = (),
        refused: tuple[str, ...] = (),
        declined: int = 1,
        *,
        root: bool = True,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.set(1)
        (folder / "nvpmodel.py").write_text(
            _PROGRAM.format(modes=self.modes, needs_reboot=needs_reboot, refused=refused, declined=declined, root=root)
        )
        program = folder / "nvpmodel"
        # Not a first line with Python's path: the system takes no blank in one.
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "$0.py" "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def set(self, number: int) -> None:
        (self.folder / "mode").write_text(str(number))

    @property
    def mode(self) -> str:
        """The name of the mode that is set."""
        return self.modes[int((self.folder / "mode").read_text())]

    @property
    def asked(self) -> list[str]:
        """Names of the modes that were asked for, in order."""
        log = self.folder / "asked"
        return log.read_text().split() if log.exists() else []

    @property
    def rebooted(self) -> bool:
        return (self.folder / "rebooted").exists()
