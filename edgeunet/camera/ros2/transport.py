"""One interface to the two ways into ROS 2: the rclpy of an installed ROS 2, or Cyclone DDS from PyPI.

Both carry whole messages as CDR bytes, so that what they mean is decided in one place, messages.py.
"""

from __future__ import annotations

from typing import Protocol

from edgeunet.camera.ros2.messages import MessageType


class NodeError(Exception):
    """The middleware refuses; in words for the middle of a message."""


class Subscription(Protocol):
    """One topic that is read: best effort, the newest message only, so that every publisher's quality of service fits.

    For one thread.
    """

    def take(self, timeout_s: float) -> bytes | None:
        """The newest message, waiting for one; None after `timeout_s` without. Raises NodeError."""

    def publishers(self) -> list[str]:
        """The types of all that publish on this topic, of other types too: "std_msgs/msg/String"."""


class Publication(Protocol):
    """One topic that is written: reliable, so that readers of both kinds match; only the newest messages are kept."""

    def publish(self, message: bytes) -> None:
        """Send a message; one that a slow reader leaves no room for is dropped. Raises NodeError."""


class Node(Protocol):
    """A participant in ROS 2."""

    def subscribe(self, topic: str, kind: MessageType) -> Subscription:
        """Raises NodeError."""

    def advertise(self, topic: str, kind: MessageType) -> Publication:
        """Raises NodeError."""

    def close(self) -> None:
        """Leave, with all subscriptions and publications."""
