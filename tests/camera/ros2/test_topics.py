from __future__ import annotations

import pytest

from edgeunet.camera.ros2.topics import domain_id, require_topic, stays_on_machine, topic_part
from edgeunet.errors import UsageError


@pytest.mark.parametrize("text", ["/a", "/camera/image_raw", "/_x/Y9/__z", "/" + "a" * 199])
def test_names_that_ros2_allows(text: str) -> None:
    assert require_topic(text, text) == text


@pytest.mark.parametrize(
    "text",
    ["", "/", "a", "camera/a", "//a", "/a/", "/a//b", "/9a", "/a/9", "/a-b", "/a b", "/ä", "/~/a", "/a\n", "/{a}"],
)
def test_names_that_ros2_does_not_allow(text: str) -> None:
    with pytest.raises(UsageError, match=r"names no ROS 2 topic, such as /camera/image_raw: "):
        require_topic(text, text)


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(UsageError, match="at most 200 characters") as caught:
        require_topic("/" + "a" * 200, "/" + "a" * 200)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "part"),
    [("-camera-0", "camera_0"), ("-rtsp-10.0.0.5-front", "rtsp_10_0_0_5_front"), ("-0", "source_0"), ("-ä", "source")],
)
def test_a_name_as_one_part_of_a_topic(text: str, part: str) -> None:
    assert topic_part(text) == part
    require_topic(f"/{part}", part)


def test_the_environment_of_ros2() -> None:
    assert (domain_id({}), domain_id({"ROS_DOMAIN_ID": ""}), domain_id({"ROS_DOMAIN_ID": "42"})) == (0, 0, 42)
    assert (stays_on_machine({}), stays_on_machine({"ROS_LOCALHOST_ONLY": "1"})) == (False, True)
