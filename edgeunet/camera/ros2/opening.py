"""Joining ROS 2 by what is installed: its rclpy, else Cyclone DDS."""

from __future__ import annotations

from importlib.util import find_spec

from edgeunet.camera.ros2.cyclone_node import CycloneNode
from edgeunet.camera.ros2.rclpy_node import RclpyNode
from edgeunet.camera.ros2.transport import Node, NodeError
from edgeunet.utils.dependencies import missing, not_loaded


def open_node() -> Node:
    """A node of the ROS 2 whose setup.bash was sourced, else of Cyclone DDS.

    Raises MissingDependencyError if neither is there, UsageError for a ROS_DOMAIN_ID that is none, and NodeError.
    """
    require_ros2()
    if find_spec("rclpy") is not None:
        try:
            return RclpyNode()
        except ImportError as error:  # as a rule it is for another Python than this one
            if find_spec("cyclonedds") is None:
                remedy = "make the venv with the Python of ROS 2 and --system-site-packages"
                raise NodeError(f"rclpy {not_loaded(error)}: {remedy}") from error
    return CycloneNode()


def require_ros2() -> None:
    """Raise MissingDependencyError if neither rclpy nor Cyclone DDS is installed."""
    if find_spec("rclpy") is None and find_spec("cyclonedds") is None:
        raise missing("cyclonedds")
