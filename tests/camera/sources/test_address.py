from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.camera.sources.address import Address, addresses_by_name
from edgeunet.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", Address("v4l2", "camera 0", "/dev/video0")),
        ("/dev/video2", Address("v4l2", "camera /dev/video2", "/dev/video2")),
        ("/dev/v4l/by-id/usb-cam", Address("v4l2", "camera /dev/v4l/by-id/usb-cam", "/dev/v4l/by-id/usb-cam")),
        (
            "v4l2:///dev/video0?width=1280&height=720&fps=29.97&fourcc=MJPG",
            Address("v4l2", "camera /dev/video0", "/dev/video0", 1280, 720, 29.97, "MJPG"),
        ),
        ("1?width=640&height=480", Address("v4l2", "camera 1", "/dev/video1", 640, 480)),
        ("csi://1", Address("csi", "csi://1", "1", 1280, 720, 30.0)),
        ("csi://0?flip=180&mode=4", Address("csi", "csi://0", "0", 1280, 720, 30.0, flip="180", mode=4)),
        ("CSI://0?fps=60", Address("csi", "csi://0", "0", 1280, 720, 60.0)),
        ("rtsp://camera:8554/a?b=c", Address("stream", "rtsp://camera:8554/a?b=…", "rtsp://camera:8554/a?b=c")),
        ("RTSP://Camera/A", Address("stream", "RTSP://Camera/A", "rtsp://Camera/A")),
        ("file:///a%20b/%C3%A9.mp4", Address("file", "/a b/é.mp4", "/a b/é.mp4")),
        ("file:///a%E9.mp4", Address("file", "/a\\xe9.mp4", "/a\udce9.mp4")),
        ("rtsp://camera/\udce9?x#é", Address("stream", "rtsp://camera/\\xe9?…#…", "rtsp://camera/%E9?x#é")),
        ("a%20b.mp4", Address("file", "a%20b.mp4", "a%20b.mp4")),
        ("file://localhost/a.mp4", Address("file", "/a.mp4", "/a.mp4")),
        ("drive.mp4", Address("file", "drive.mp4", "drive.mp4")),
        ("2024/0", Address("file", "2024/0", "2024/0")),
        ("file:///data/images", Address("file", "/data/images", "/data/images")),
        ("file://images/a?b.png", Address("file", "images/a?b.png", "images/a?b.png")),
        (
            "gst: videotestsrc ! videoconvert ! appsink drop=true",
            Address(
                "gst",
                "gst: videotestsrc ! videoconvert ! appsink drop=true",
                "videotestsrc ! videoconvert ! appsink drop=true",
            ),
        ),
        ("synthetic://", Address("synthetic", "synthetic://", "", 1280, 720, 30.0)),
        (
            "synthetic://?width=640&height=480&fps=0&seconds=2.5",
            Address("synthetic", "synthetic://", "", 640, 480, 0.0, None, 2.5),
        ),
        (
            "synthetic://?pixels=thermal",
            Address("synthetic", "synthetic://", "", 1280, 720, 30.0, pixels="thermal"),
        ),
        ("ros2:///camera/image_raw", Address("ros2", "ros2:///camera/image_raw", "/camera/image_raw")),
        ("0?fourcc=Y16", Address("v4l2", "camera 0", "/dev/video0", fourcc="Y16 ")),
        ("0?fourcc=Y8", Address("v4l2", "camera 0", "/dev/video0", fourcc="GREY")),
    ],
)
def test_address_is_read(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://camera/video", "unknown source ftp://camera/video: expected v4l2, csi, synthetic, ros2, file, rtsp"),
        ("0?heigth=720", "unknown option 'heigth', it takes width, height, fps, fourcc"),
        ("csi://0?fourcc=MJPG", "unknown option 'fourcc', it takes width, height, fps, flip, mode"),
        ("csi://0?flip=180&mode=1&flip=vertical", "csi://0: flip is given twice; once is enough"),
        ("csi://0?flip=90", "flip is 180, horizontal or vertical, got '90'"),
        ("csi://0?mode=-1", "mode is 0 to 99, got -1"),
        ("csi://0?mode=fast", "mode is a whole number, got 'fast'"),
        ("0?width=wide&height=720", "width is a whole number, got 'wide'"),
        ("0?width=12.5&height=720", "width is a whole number, got '12.5'"),
        ("0?width=1280", "give width and height together"),
        ("0?width=0&height=720", "1 to 16384 pixels, got 0"),
        ("0?fps=fast", "fps is a number, got 'fast'"),
        ("0?fps=0", "fps is more than 0 to 1000, got 0"),
        ("0?fps=inf", "fps is more than 0 to 1000, got inf"),
        ("0?fourcc=MJPEG", "four characters such as MJPG or YUYV, got 'MJPEG'"),
        ("synthetic://?pixels=xray", "pixels is bgr or thermal, got 'xray'"),
        ("synthetic://?fault=freeze:9", "fault is KIND:FIRST:END .* got 'freeze:9'; the kinds are freeze, black"),
        ("synthetic://?fault=melt:1:2", "fault is KIND:FIRST:END .* got 'melt:1:2'"),
        ("synthetic://?fault=freeze:9:9", "fault is KIND:FIRST:END .* got 'freeze:9:9'"),
        ("synthetic://?fps=-1", "fps is 0 to 1000, got -1"),
        ("synthetic://?seconds=nan", "seconds is more than 0 to 315360000, got nan"),
        ("synthetic://?fps=1e308", "fps is 0 to 1000, got 1e.308"),
        ("synthetic://?seconds=1e300", "seconds is more than 0 to 315360000, got 1e.300"),
        (f"synthetic://?width={'9' * 5000}&height=240", "width is a whole number, got '999"),
        ("0?width=²&height=1", "width is a whole number, got '²'"),
        ("9" * 5000, "the number of a camera is 0 to 9999"),
        (f"csi://{'9' * 5000}", "the number of the sensor"),
        ("gst:videotestsrc name=\udce9 ! appsink", "is not valid UTF-8"),
        ("/dev/\udce9", "a number or a device file"),
        ("file://a\0b", "does not name a file"),
        ("synthetic://0", "takes options only"),
        ("csi://front", "the number of the sensor"),
        ("v4l2://front", "a number or a device file"),
        ("file://", "does not name a file"),
        (
            "ros2://camera/image_raw",
            "'ros2://camera/image_raw' names no ROS 2 topic, such as /camera/image_raw: a / and",
        ),
        ("ros2://", "names no ROS 2 topic"),
        ("ros2:///camera?depth=5", "names no ROS 2 topic"),
        ("ros2:///camera/9", "names no ROS 2 topic"),
        (f"ros2:///{'a' * 5000}", "names no ROS 2 topic"),
        ("gst:videotestsrc ! autovideosink", "ends in appsink"),
        ("gst:", "ends in appsink, got 'nothing'"),
    ],
)
def test_wrong_address_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Address.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["20240101", "0", "rtsp:", "gst:a", "12:30:05.mp4", "a%20b"])
def test_what_is_there_is_a_file_or_folder_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert Address.parse(name) == Address("file", name, name)
    assert Address.parse((tmp_path / name).as_uri()).target == str(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://me:secret@camera/1",
        "rtsp:/me:secret@camera/1",
        "me:secret@camera",
        "http://camera/video?u=me&p=secret&channel=2",
        "gst:rtspsrc location=rtsp://me:secret@camera/1 ! appsink",
        "gst:rtspsrc location=rtsp://me:secret@camera/1 ! camera",
        "ftp://me:secret@camera/1",
        "v4l2://me:secret@camera/1",
        "synthetic://me:secret@camera",
    ],
)
def test_password_is_never_shown(text: str) -> None:
    try:
        shown = repr(Address.parse(text))
    except UsageError as error:
        shown = str(error)
    assert "camera" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("text", "coded"),
    [
        ("gst:v4l2src ! image/jpeg ! jpegdec ! videoconvert ! appsink", False),
        ("gst:v4l2src ! nvjpegdec ! appsink", False),
        ("gst:decklinkvideosrc ! videoconvert ! appsink", False),
        ("gst:v4l2src ! image/jpeg ! avdec_mjpeg ! appsink", False),
        ("gst:filesrc location=a.264 ! h264parse ! avdec_h264 max-threads=1 ! appsink", True),
        ("gst:uridecodebin uri=rtsp://a/1 ! videoconvert ! appsink", True),
        ("gst:uridecodebin3 uri=rtsp://a/1 ! appsink", True),
        ("0", False),
        ("0?fourcc=MJPG", False),
        ("0?fourcc=H264", True),
        ("csi://0", False),
        ("rtsp://camera/1", True),
        ("gst:videotestsrc ! videoconvert ! appsink", False),
        ("gst:rtspsrc location=rtsp://camera ! decodebin ! videoconvert ! appsink", True),
        ("gst:udpsrc ! rtph264depay ! nvv4l2decoder ! nvvidconv ! appsink", True),
        ("synthetic://", False),
    ],
)
def test_an_address_tells_whether_a_still_picture_has_noise(text: str, coded: bool) -> None:
    assert Address.parse(text).coded is coded


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("0", True),
        ("/dev/video1", True),
        ("csi://0", True),
        ("rtsp://camera/1", True),
        ("HTTP://camera/1", True),
        ("gst:videotestsrc ! appsink", True),
        ("synthetic://", True),
        ("synthetic://?fps=0", False),
        ("drive.mp4", False),
        ("runs/2/a.mp4", False),
        ("images", False),
    ],
)
def test_only_of_a_file_two_frames_are_in_flight(text: str, live: bool) -> None:
    address = Address.parse(text)
    assert address.live is live
    assert address.in_flight == (1 if live else 2)


def test_sources_of_one_name_are_numbered() -> None:
    named = addresses_by_name(["0", "synthetic://", "synthetic://?fps=0"])
    assert list(named) == ["camera 0", "synthetic:// (1)", "synthetic:// (2)"]
    assert [address.live for address in named.values()] == [True, True, False]
