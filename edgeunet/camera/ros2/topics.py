"""Names of topics and of the domain, by ROS 2's rules: design.ros2.org/articles/topic_and_service_names.html."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from edgeunet.errors import UsageError

LONGEST = 200  # letters; ROS 2 takes 247, and the sink adds its own
LAST_DOMAIN = 232  # the ports of a higher one are above 65535
COMPRESSED = "/compressed"  # how image_transport ends the topics of its JPEG and PNG pictures
_TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")


def require_topic(text: str, given: str) -> str:
    """The name of a topic, if ROS 2 allows it. given: how the user gave it, for the message of the UsageError."""
    if not _TOPIC.fullmatch(text) or len(text) > LONGEST:
        raise UsageError(
            f"{given[:80]!r} names no ROS 2 topic, such as /camera/image_raw: a / and a word, once or more, each of"
            f" letters, digits and _, without a digit first; at most {LONGEST} characters"
        )
    return text


def topic_part(text: str) -> str:
    """A name of anything as one part of a topic: "-camera-0" → "camera_0"."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return plain if plain[:1].isalpha() else f"source_{plain}".rstrip("_")


def domain_id(environment: Mapping[str, str] = os.environ) -> int:
    """ROS_DOMAIN_ID, 0 if it is not set: only nodes of one domain hear each other. Raises UsageError."""
    text = environment.get("ROS_DOMAIN_ID", "").strip() or "0"
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > LAST_DOMAIN:
        raise UsageError(f"ROS_DOMAIN_ID is 0 to {LAST_DOMAIN}, got {text[:40]!r}: export ROS_DOMAIN_ID=0")
    return int(text)


def stays_on_machine(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ROS 2 was told to use the loopback network only."""
    return environment.get("ROS_LOCALHOST_ONLY") == "1"
