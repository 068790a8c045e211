"""ROS 2's topics without ROS 2: Cyclone DDS from PyPI, for x86-64.

A topic /a is rt/a in DDS, and the type sensor_msgs/msg/Image is sensor_msgs::msg::dds_::Image_:
design.ros2.org/articles/topic_and_service_names.html.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from edgeunet.camera.ros2.messages import COMPRESSED_IMAGE, DIAGNOSTICS, IMAGE, MessageType
from edgeunet.camera.ros2.topics import domain_id, stays_on_machine
from edgeunet.camera.ros2.transport import NodeError

if TYPE_CHECKING:
    from cyclonedds.domain import Domain, DomainParticipant
    from cyclonedds.qos import Qos

MOST_PUBLISHERS = 10_000  # of all topics, that are asked for at once
WAIT_MS = 100  # for a reader that has not yet acknowledged, before a message is dropped
# With the 1 MB that Cyclone DDS asks for itself nearly all images of 2.7 MB are lost, also over loopback:
# benchmarks/results/ros2_loopback.json. It is a wish: net.core.rmem_max is the limit.
BUFFER = "<Internal><SocketReceiveBufferSize max='16MB'/></Internal>"
LOOPBACK = "<General><Interfaces><NetworkInterface address='127.0.0.1'/></Interfaces></General>"
_TYPE = re.compile(r"(\w+)::(\w+)::dds_::(\w+)_")


class CycloneSubscription:
    """A topic that is read, see transport.Subscription."""

    def __init__(self, participant: DomainParticipant, topic: str, kind: MessageType) -> None:
        from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
        from cyclonedds.core import InstanceState, Policy, ReadCondition, SampleState, ViewState, WaitSet
        from cyclonedds.sub import DataReader
        from cyclonedds.topic import Topic

        self._topic = _dds_topic(topic)
        dds_topic: Any = Topic(participant, self._topic, _classes()[kind])
        self._reader: DataReader[Any] = DataReader(participant, dds_topic, _qos(Policy.Reliability.BestEffort))
        alive = InstanceState.Alive | ViewState.Any
        self._arrived = ReadCondition(self._reader, alive | SampleState.NotRead)
        self._waiting = WaitSet(participant)
        self._waiting.attach(self._arrived)
        self._graph = BuiltinDataReader(participant, BuiltinTopicDcpsPublication)
        self._present = ReadCondition(self._graph, alive | SampleState.Any)

    def take(self, timeout_s: float) -> bytes | None:
        with _faults_told():
            self._waiting.wait(round(timeout_s * 1e9))
            samples = self._reader.take(condition=self._arrived)
        return samples[0].cdr if samples else None

    def publishers(self) -> list[str]:
        with _faults_told():
            found = self._graph.read(MOST_PUBLISHERS, self._present)
        return [_ros_type(one.type_name) for one in found if one.topic_name == self._topic]

    def close(self) -> None:
        """cyclonedds deletes what nothing refers to."""
        del self._waiting, self._arrived, self._reader, self._present, self._graph


class CyclonePublication:
    """A topic that is written, see transport.Publication."""

    def __init__(self, participant: DomainParticipant, topic: str, kind: MessageType) -> None:
        from cyclonedds.core import Policy
        from cyclonedds.pub import DataWriter
        from cyclonedds.topic import Topic

        self._class = _classes()[kind]
        dds_topic: Any = Topic(participant, _dds_topic(topic), self._class)
        qos = _qos(Policy.Reliability.Reliable(round(WAIT_MS * 1e6)))
        self._writer: DataWriter[Any] = DataWriter(participant, dds_topic, qos)

    def publish(self, message: bytes) -> None:
        from cyclonedds.core import DDSException

        try:
            self._writer.write(self._class(message))
        except DDSException as error:
            if error.code != DDSException.DDS_RETCODE_TIMEOUT:
                raise NodeError(str(error)) from error

    def close(self) -> None:
        """As of a subscription."""
        del self._writer


class CycloneNode:
    """A participant, see transport.Node."""

    def __init__(self) -> None:
        """Raises NodeError if there is no network, UsageError for a ROS_DOMAIN_ID that is none."""
        from cyclonedds.core import DDSException
        from cyclonedds.domain import DomainParticipant

        domain = domain_id()
        try:
            _configured(domain)
            self._participant: Any = DomainParticipant(domain)
        except DDSException as error:
            raise NodeError(f"Cyclone DDS does not start ({error}): check the network and CYCLONEDDS_URI") from error
        self._ends: list[CycloneSubscription | CyclonePublication] = []

    def subscribe(self, topic: str, kind: MessageType) -> CycloneSubscription:
        with _faults_told():
            made = CycloneSubscription(self._participant, topic, kind)
        self._ends.append(made)
        return made

    def advertise(self, topic: str, kind: MessageType) -> CyclonePublication:
        with _faults_told():
            made = CyclonePublication(self._participant, topic, kind)
        self._ends.append(made)
        return made

    def close(self) -> None:
        for end in self._ends:
            end.close()
        self._ends.clear()
        self._participant = None


@contextmanager
def _faults_told() -> Iterator[None]:
    """Raise NodeError for what Cyclone DDS refuses."""
    from cyclonedds.core import DDSException

    try:
        yield
    except DDSException as error:
        raise NodeError(str(error)) from error


@cache
def _configured(domain: int) -> Domain:
    """A domain for the whole process, configured before its first participant; CYCLONEDDS_URI, if given, comes last."""
    from cyclonedds.domain import Domain

    ours = f"<CycloneDDS><Domain>{LOOPBACK if stays_on_machine() else ''}{BUFFER}</Domain></CycloneDDS>"
    return Domain(domain, ",".join(filter(None, (ours, os.environ.get("CYCLONEDDS_URI")))))


def _qos(reliability: Any) -> Qos:
    from cyclonedds.core import Policy
    from cyclonedds.qos import Qos

    plain = Policy.DataRepresentation(use_cdrv0_representation=True)
    return Qos(reliability, Policy.History.KeepLast(1), Policy.Durability.Volatile, plain)


@cache
def _classes() -> dict[MessageType, Any]:
    """The types as Cyclone DDS describes them to other nodes. A sample of one is its bytes, `cdr`.

    cyclonedds itself would make a Python number of each byte of an image.
    """
    from cyclonedds.idl import make_idl_struct, types

    def of(package: str, kind: str, /, **fields: Any) -> Any:
        return make_idl_struct(kind, f"{package}.msg.dds_.{kind}_", fields)

    sequence: Any = types.sequence
    time = of("builtin_interfaces", "Time", sec=types.int32, nanosec=types.uint32)
    header = of("std_msgs", "Header", stamp=time, frame_id=str)
    pair = of("diagnostic_msgs", "KeyValue", key=str, value=str)
    texts = {"name": str, "message": str, "hardware_id": str}
    status = of("diagnostic_msgs", "DiagnosticStatus", level=types.uint8, **texts, values=sequence[pair])
    data = sequence[types.uint8]
    size, row = {"height": types.uint32, "width": types.uint32}, {"is_bigendian": types.uint8, "step": types.uint32}
    image = of("sensor_msgs", "Image", header=header, **size, encoding=str, **row, data=data)
    compressed = of("sensor_msgs", "CompressedImage", header=header, format=str, data=data)
    array = of("diagnostic_msgs", "DiagnosticArray", header=header, status=sequence[status])
    return {IMAGE: _as_bytes(image), COMPRESSED_IMAGE: _as_bytes(compressed), DIAGNOSTICS: _as_bytes(array)}


def _as_bytes(kind: Any) -> Any:
    """Make the samples of a class their bytes."""

    def init(self: Any, cdr: bytes) -> None:
        self.cdr = cdr

    def serialize(self: Any, *_: Any, **__: Any) -> Any:
        return self.cdr

    def deserialize(cls: Any, data: bytes, *_: Any, **__: Any) -> Any:
        return cls(data)

    kind.__init__, kind.serialize = init, serialize
    kind.deserialize = kind.deserialize_key = classmethod(deserialize)
    return kind


def _dds_topic(topic: str) -> str:
    return f"rt{topic}"


def _ros_type(name: str) -> str:
    """sensor_msgs::msg::dds_::Image_ → sensor_msgs/msg/Image."""
    return "/".join(found.groups()) if (found := _TYPE.fullmatch(name)) else name
