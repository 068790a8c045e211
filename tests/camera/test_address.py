from __future__ import annotations

import pytest

from edgeunet.camera.address import Address, in_flight, is_live
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
        ("CSI://0?fps=60", Address("csi", "csi://0", "0", 1280, 720, 60.0)),
        ("rtsp://camera:8554/a?b=c", Address("stream", "rtsp://camera:8554/a?b=c", "rtsp://camera:8554/a?b=c")),
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
    ],
)
def test_address_is_read(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://camera/video", "ftp:// is none of v4l2, csi, synthetic, file, rtsp"),
        ("0?heigth=720", "unknown option 'heigth', it takes width, height, fps, fourcc"),
        ("csi://0?fourcc=MJPG", "unknown option 'fourcc', it takes width, height, fps"),
        ("0?width=wide&height=720", "width is a whole number, got 'wide'"),
        ("0?width=12.5&height=720", "width is a whole number, got '12.5'"),
        ("0?width=1280", "width and height are given together"),
        ("0?width=0&height=720", "1 to 16384 pixels, got 0"),
        ("0?fps=fast", "fps is a number, got 'fast'"),
        ("0?fps=0", "fps is more than 0, got 0"),
        ("0?fps=inf", "fps is more than 0, got inf"),
        ("0?fourcc=MJPEG", "four characters such as MJPG or YUYV, got 'MJPEG'"),
        ("synthetic://?fps=-1", "fps is 0 or more, got -1"),
        ("synthetic://?seconds=nan", "seconds is more than 0, got nan"),
        ("synthetic://0", "takes options only"),
        ("csi://front", "the number of the sensor"),
        ("v4l2://front", "a number or a device file"),
        ("file://", "names no file"),
        ("gst:videotestsrc ! autovideosink", "ends in appsink"),
        ("gst:", "ends in appsink, got 'nothing'"),
    ],
)
def test_wrong_address_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Address.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://me:secret@camera/1",
        "rtsp://me:se@cret@camera/1",
        "http://camera/video?user=me&password=secret&size=2",
        "http://camera/video?access_token=secret",
        "gst:rtspsrc location=rtsp://me:secret@camera/1 ! appsink",
        'gst:rtspsrc location=rtsp://camera/1 user-id=me user-pw="the secret" ! appsink',
        "ftp://me:secret@camera/1",
    ],
)
def test_password_is_never_shown(text: str) -> None:
    try:
        shown = repr(Address.parse(text))
    except UsageError as error:
        shown = str(error)
    assert "camera" in shown
    assert "secret" not in shown
    assert "cret@" not in shown


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
    assert is_live(text) is live
    assert in_flight(text) == (1 if live else 2)
