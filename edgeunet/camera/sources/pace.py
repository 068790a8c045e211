"""The share of one of several cameras: how many of its frames are decoded, however many it sends."""

from __future__ import annotations

MARGIN = 1.1  # of the rate that a camera reports: its clock is not ours
IN_A_ROW = 2  # frames that may come close together: one that was late, and the next one
UNKNOWN_FPS = 60.0  # where a camera does not report a rate
HIGHEST_FPS = 240.0  # what streams report above it is the clock of their format, not a rate
REST_S = 0.002  # after a frame that is left out: a driver that never waits must not take a core


class Pace:
    """Lets a source's frames through at the rate that it reports, and leaves out what comes faster.

    A flood then costs the other sources nothing: not the decoding, not the fitting, no turn of the session. The rule is
    the generic cell rate algorithm (ITU-T I.371).
    """

    def __init__(self, fps: float) -> None:
        """fps: as the source reports, 0.0 if it does not."""
        known = fps if 0 < fps <= HIGHEST_FPS else UNKNOWN_FPS
        self._interval_ns = round(1e9 / (known * MARGIN))
        self._due_ns = 0

    def lets_through(self, now_ns: int) -> bool:
        """Whether the frame that comes now is within the share."""
        if now_ns < self._due_ns - (IN_A_ROW - 1) * self._interval_ns:
            return False
        self._due_ns = max(now_ns, self._due_ns) + self._interval_ns
        return True
