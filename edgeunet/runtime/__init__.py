"""Running a model on frames. Never imports torch."""

from edgeunet.runtime.opening import open_session
from edgeunet.runtime.session import Result, Session

__all__ = ["Result", "Session", "open_session"]
