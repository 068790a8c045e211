"""A FAKE of ROS 2's `rclpy`, for machines without ROS 2: topics within this process, no network.

Its functions, classes and keyword-only arguments are those that edgeunet uses of the real ones (ros2/rclpy, read in
Humble, Jazzy and rolling of December 2024); any other name raises AttributeError, any other argument TypeError. As in
ROS 2, a reliable subscription does not hear a best-effort publisher, and one of another type does not match.

    bus = install(monkeypatch)
    bus.publishers["/camera/image_raw"]
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import pytest

_T = TypeVar("_T")


class _Reliability(Enum):
    RELIABLE = 1
    BEST_EFFORT = 2


class _Durability(Enum):
    TRANSIENT_LOCAL = 1
    VOLATILE = 2


class _History(Enum):
    KEEP_LAST = 1
    KEEP_ALL = 2


class _Signals(Enum):
    ALL = 3
    NO = 0


@dataclass(frozen=True, kw_only=True)
class _Profile:
    history: _History
    depth: int
    reliability: _Reliability
    durability: _Durability


class _Context:
    def __init__(self) -> None:
        self._running = False

    def ok(self) -> bool:
        return self._running


@dataclass
class _Subscription:
    type_name: str
    callback: Callable[[bytes], None]
    qos: _Profile
    waiting: deque[bytes]


@dataclass
class _Publisher:
    bus: RclpyBus
    topic: str
    type_name: str
    qos: _Profile

    def publish(self, message: object) -> None:
        if not isinstance(message, bytes):
            raise TypeError(f"Expected {self.type_name}, got {type(message)}")
        self.bus.send(self, message)


@dataclass
class RclpyBus:
    """All publishers and subscriptions, by topic. fault: what the next call raises, if anything."""

    publishers: dict[str, list[_Publisher]] = field(default_factory=lambda: defaultdict(list))
    subscriptions: dict[str, list[_Subscription]] = field(default_factory=lambda: defaultdict(list))
    fault: BaseException | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def send(self, publisher: _Publisher, message: bytes) -> None:
        self.fail()
        with self.changed:
            for one in self.subscriptions[publisher.topic]:
                heard = (
                    publisher.qos.reliability is _Reliability.RELIABLE
                    or one.qos.reliability is not _Reliability.RELIABLE
                )
                if one.type_name == publisher.type_name and heard:
                    one.waiting.append(message)
            self.changed.notify_all()

    def fail(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault


class _Node:
    def __init__(self, bus: RclpyBus, name: str) -> None:
        self._bus, self.name = bus, name
        self.mine: list[tuple[list[Any], Any]] = []

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[[bytes], None], qos_profile: _Profile, *, raw: bool = False
    ) -> _Subscription:
        assert raw, "the fake knows bytes only"
        made = _Subscription(msg_type.name, callback, qos_profile, deque(maxlen=qos_profile.depth))
        return self._add(self._bus.subscriptions[topic], made)

    def create_publisher(self, msg_type: Any, topic: str, qos_profile: _Profile) -> _Publisher:
        return self._add(self._bus.publishers[topic], _Publisher(self._bus, topic, msg_type.name, qos_profile))

    def get_publishers_info_by_topic(self, topic_name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(topic_type=one.type_name) for one in self._bus.publishers[topic_name]]

    def destroy_node(self) -> None:
        for held, made in self.mine:
            held.remove(made)
        self.mine.clear()

    def _add(self, held: list[_T], made: _T) -> _T:
        held.append(made)
        self.mine.append((held, made))
        return made


class _Executor:
    def __init__(self, bus: RclpyBus, context: _Context) -> None:
        self._bus, self._context, self._nodes = bus, context, list[_Node]()

    def add_node(self, node: _Node) -> bool:
        self._nodes.append(node)
        return True

    def spin_once(self, timeout_sec: float | None = None) -> None:
        self._bus.fail()
        with self._bus.changed:
            self._bus.changed.wait_for(self._ready, timeout_sec)
            ready = self._ready()
        if ready is not None:
            ready.callback(ready.waiting.popleft())

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        return True

    def _ready(self) -> _Subscription | None:
        mine = (made for node in self._nodes for _, made in node.mine if isinstance(made, _Subscription))
        return next((one for one in mine if one.waiting), None)


class _ExternalShutdownException(Exception):  # noqa: N818 - rclpy's name
    pass


def install(monkeypatch: pytest.MonkeyPatch, *, messages: bool = True) -> RclpyBus:
    """Put the fake in the place of rclpy; with messages=False the packages of the message types are missing."""
    bus = RclpyBus()

    def init(*, args: list[str] | None, context: _Context, signal_handler_options: _Signals) -> None:
        bus.fail()
        assert args == [], "None would take the program's own arguments"
        assert signal_handler_options is _Signals.NO, "the program handles its signals"
        context._running = True

    def create_node(
        node_name: str,
        *,
        context: _Context,
        use_global_arguments: bool,
        enable_rosout: bool,
        start_parameter_services: bool,
    ) -> _Node:
        assert context.ok()
        return _Node(bus, node_name)

    def shutdown(*, context: _Context) -> None:
        context._running = False

    def executor(*, context: _Context) -> _Executor:
        return _Executor(bus, context)

    modules: dict[str, dict[str, Any]] = {
        "rclpy": {"init": init, "create_node": create_node, "shutdown": shutdown},
        "rclpy.context": {"Context": _Context},
        "rclpy.executors": {
            "SingleThreadedExecutor": executor,
            "ExternalShutdownException": _ExternalShutdownException,
        },
        "rclpy.signals": {"SignalHandlerOptions": _Signals},
        "rclpy.qos": {
            "QoSProfile": _Profile,
            "HistoryPolicy": _History,
            "ReliabilityPolicy": _Reliability,
            "DurabilityPolicy": _Durability,
        },
    }
    if messages:
        for package, names in (
            ("sensor_msgs", ("Image", "CompressedImage")),
            ("diagnostic_msgs", ("DiagnosticArray",)),
        ):
            classes = {name: SimpleNamespace(name=f"{package}/msg/{name}") for name in names}
            modules |= {package: {}, f"{package}.msg": classes}
    for name, members in modules.items():
        module = ModuleType(name)
        module.__dict__.update(members, __spec__=SimpleNamespace(name=name))
        monkeypatch.setitem(sys.modules, name, module)
    return bus
