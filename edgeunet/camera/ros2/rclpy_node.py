"""ROS 2's topics through the rclpy of an installed ROS 2, such as a board's.

Messages are sent and received as bytes (raw), which rclpy has for recorders.
"""

from __future__ import annotations

import os
from importlib import import_module
from itertools import count
from typing import Any

from edgeunet.camera.ros2.messages import MessageType
from edgeunet.camera.ros2.transport import NodeError

_numbers = count(1)  # of this process's nodes: their names must differ


class RclpySubscription:
    """A topic that is read, see transport.Subscription."""

    def __init__(self, node: Any, executor: Any, topic: str, kind: MessageType) -> None:
        self._node, self._executor, self._topic = node, executor, topic
        self._newest: bytes | None = None
        node.create_subscription(_class_of(kind), topic, self._keep, _qos("BEST_EFFORT"), raw=True)

    def take(self, timeout_s: float) -> bytes | None:
        try:
            self._executor.spin_once(timeout_sec=timeout_s)
        except _faults() as error:
            raise NodeError(_reason(error)) from error
        newest, self._newest = self._newest, None
        return newest

    def publishers(self) -> list[str]:
        return [info.topic_type for info in self._node.get_publishers_info_by_topic(self._topic)]

    def _keep(self, message: bytes) -> None:
        self._newest = message


class RclpyPublication:
    """A topic that is written, see transport.Publication."""

    def __init__(self, node: Any, topic: str, kind: MessageType) -> None:
        self._publisher = node.create_publisher(_class_of(kind), topic, _qos("RELIABLE"))

    def publish(self, message: bytes) -> None:
        try:
            self._publisher.publish(message)
        except _faults() as error:
            raise NodeError(_reason(error)) from error


class RclpyNode:
    """A node with a context of its own, see transport.Node. Signals stay the program's."""

    def __init__(self) -> None:
        """Raises ImportError if rclpy does not load, NodeError if ROS 2 does not start."""
        self._rclpy = import_module("rclpy")
        signals, executors = import_module("rclpy.signals"), import_module("rclpy.executors")
        self._context = import_module("rclpy.context").Context()
        options = signals.SignalHandlerOptions.NO
        try:
            self._rclpy.init(args=[], context=self._context, signal_handler_options=options)
            self._node = self._rclpy.create_node(
                f"edgeunet_{os.getpid()}_{next(_numbers)}",
                context=self._context,
                use_global_arguments=False,
                enable_rosout=False,
                start_parameter_services=False,
            )
        except _faults() as error:
            raise NodeError(f"ROS 2 does not start ({_reason(error)}): test it with `ros2 topic list`") from error
        self._executor = executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def subscribe(self, topic: str, kind: MessageType) -> RclpySubscription:
        return RclpySubscription(self._node, self._executor, topic, kind)

    def advertise(self, topic: str, kind: MessageType) -> RclpyPublication:
        return RclpyPublication(self._node, topic, kind)

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        if self._context.ok():
            self._rclpy.shutdown(context=self._context)


def _class_of(kind: MessageType) -> Any:
    """sensor_msgs/msg/Image → its class."""
    package, _, name = kind.split("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except ImportError as error:
        raise NodeError(f"ROS 2 has no {package}: apt install ros-$ROS_DISTRO-{package.replace('_', '-')}") from error


def _qos(reliability: str) -> Any:
    """reliability: the name of a member of ReliabilityPolicy."""
    qos = import_module("rclpy.qos")
    return qos.QoSProfile(
        history=qos.HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=qos.ReliabilityPolicy[reliability],
        durability=qos.DurabilityPolicy.VOLATILE,
    )


def _faults() -> tuple[type[BaseException], ...]:
    """What rclpy raises; its RCLError is a RuntimeError."""
    return RuntimeError, import_module("rclpy.executors").ExternalShutdownException


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
