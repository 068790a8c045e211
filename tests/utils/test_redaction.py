from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeunet.utils.redaction import hidden_in, login_letters, shown_address, shown_command, shown_command_text

# Two halves that must not be seen, with whatever a person may have in a password between them.
SECRETS = st.text("#/?@&;:!, '\"%+=\\$ab", max_size=4).map(lambda middle: f"Zq7{middle}wV3")
WITH_LOGIN = (
    "rtsp://admin:{}@10.0.0.5:554/live?channel=1",
    "rtsp://{}@10.0.0.5/x",
    "rtsp://{}:{}@10.0.0.5/x",
    "RTSP:/admin:{}@10.0.0.5/x",
    "admin:{}@10.0.0.5",
    "rtsp:\\\\admin:{}@10.0.0.5",
    "//admin:{}@10.0.0.5",
    "file:///admin:{}@10.0.0.5",
    "gst:rtspsrc location=rtsp://admin:{}@10.0.0.5/x ! videoconvert ! appsink",
    "gst:rtspsrc location='rtsp://admin:{}@10.0.0.5/x' ! appsink drop=true",
)
# Here a letter that ends a value, or a quote, ends the password for every reader.
IN_VALUES = (
    "http://10.0.0.5/videostream.cgi?loginuse=admin&loginpas={}",
    "http://10.0.0.5/v?u=admin&p={}&channel=1",
    "http://10.0.0.5/v?auth={}",
    "http://10.0.0.5/v?{}",
    "http://10.0.0.5/v#access_token={}",
    "http://10.0.0.5/v#{}",
    "http://10.0.0.5/v?channel=1&{}",
    "rtsp://10.0.0.5/user=admin&password={}&channel=1&stream=0.sdp?real_stream",
    "rtsp://10.0.0.5/user=admin_password={}_channel=1_stream=0.sdp",
    "rtsp://10.0.0.5/user=admin;password={};channel=1",
    "10.0.0.5/user=admin&password={}&channel=1",
    "gst:rtspsrc location=rtsp://10.0.0.5/x user-id=admin user-pw={} latency=0 ! appsink",
    'gst:rtspsrc location=rtsp://10.0.0.5/x user-id=admin user-pw="{}" ! appsink',
    "gst:souphttpsrc location=http://10.0.0.5/v?u=admin&p={} ! appsink",
    "gst:souphttpsrc location='http://10.0.0.5/v?u=admin&p={}' cookies = {} ! appsink",
)
HARMLESS = (
    "0",
    "/dev/video0",
    "v4l2:///dev/video0?width=1280&height=720&fps=30&fourcc=MJPG",
    "csi://0?width=1280&height=720&fps=30",
    "synthetic://?width=320&height=240&fps=10&seconds=2",
    "rtsp://10.0.0.5:554/live?channel=1",
    "rtsp://10.0.0.5/cam/realmonitor?channel=1&subtype=0",
    "http://10.0.0.5/video.mjpg?resolution=640x480",
    "rtsp://10.0.0.5/channel=1_stream=0.sdp?real_stream",
    "rtsp://10.0.0.5/channel=1&stream=0.sdp?real_stream",
    "clip@2x.mp4",
    "file:///data/clip@2x.mp4",
    "runs/lr=0.1,size=320x256/12:30:05 #3?.mp4",
    "model.engine",
    "gst:rtspsrc location=rtsp://10.0.0.5/x latency=0 ! avdec_h264 ! video/x-raw,format=BGR,framerate=30/1 ! appsink",
    'gst:v4l2src device=/dev/video0 ! capsfilter caps="video/x-raw,format=(string)BGR,width=640" ! appsink sync=false',
)


def seen(text: str) -> list[str]:
    return [part for part in ("Zq7", "wV3") if part in text]


@pytest.mark.parametrize("address", WITH_LOGIN)
@given(secret=SECRETS)
def test_nothing_of_a_login_is_shown(address: str, secret: str) -> None:
    filled = address.replace("{}", secret)
    assert not seen(shown_address(filled))
    assert "admin" not in shown_address(filled)
    assert "10.0.0.5" in shown_address(filled) or set("=#?") & set(secret)
    assert not seen(shown_command(["edgeunet", "camera", "m.onnx", "--source", filled]))
    assert not seen(shown_command(["edgeunet", "camera", "m.onnx", f"--source={filled}"]))
    assert not seen(shown_command(["edgeunet", "bench", "run", "--command", shlex.join(["play", "-i", filled])]))


@pytest.mark.parametrize("address", IN_VALUES)
@given(secret=SECRETS.filter(lambda text: not set("=\"'!") & set(text)))
def test_no_value_of_a_key_that_may_be_secret_is_shown(address: str, secret: str) -> None:
    filled = address.replace("{}", secret)
    assert not seen(shown_address(filled))
    assert "admin" not in shown_address(filled)
    assert not seen(shown_command(["edgeunet", "camera", "m.onnx", "--source", filled]))
    assert not seen(shown_command(["sh", "-c", shlex.join(["play", "-i", filled])]))


@pytest.mark.parametrize("address", HARMLESS)
def test_what_is_harmless_stays_as_it_is(address: str) -> None:
    words = ["edgeunet", "camera", "runs/demo/int8.onnx", "--source", address, "--record", "out.mp4", "--serve", "8080"]
    assert shown_address(address) == address
    assert shown_command(words) == shlex.join(words)
    assert shown_command_text(shlex.join(words)) == shlex.join(words)
    assert hidden_in(f"{address} is not there", address) == f"{address} is not there"


@pytest.mark.parametrize(
    "words",
    [
        ("--token", "Zq7wV3"),
        ("--token=Zq7wV3",),
        ("--password", "Zq7 wV3"),
        ("-password", "Zq7wV3"),
        ("--db-passwd=Zq7wV3",),
        ("API_KEY=Zq7wV3", "serve"),
        ("camToken=Zq7wV3",),
        ("-H", "Authorization: Bearer Zq7wV3"),
        ("-H", "Authorization:Bearer Zq7wV3"),
        ("-u", "admin:Zq7wV3"),
        ("-uadmin:Zq7wV3",),
        ("-sSu", "admin:Zq7wV3"),
        ("GITHUB_PAT=Zq7wV3",),
        ("--json", '{"user": "a", "password": "Zq7 \\"wV3"}'),
        ("--json={'pin': Zq7wV3, 'b': 1}",),
        ("sh", "-c", "(serve --password Zq7wV3)"),
        ("sh", "-c", "{ serve --password Zq7wV3; }"),
        ("--command", "env API_KEY=Zq7wV3 sh -c 'serve --password \"Zq7 wV3\" rtsp://a:Zq7@wV3@h'"),
        ("--command=serve --secret Zq7wV3",),
    ],
)
def test_no_option_that_names_a_secret_is_shown(words: tuple[str, ...]) -> None:
    for typed in (("edgeunet", *words, "-o", "x"), (*words, "-o", "x", "edgeunet")):
        assert not seen(shown_command(typed))
        assert not seen(shown_command_text(shlex.join(typed)))
        assert "x" in shlex.split(shown_command(typed))


def test_a_quote_that_does_not_end_hides_no_less() -> None:
    assert not seen(shown_command_text("play --token Zq7 'rtsp://a:Zq7 wV3@h"))


@given(
    st.permutations([("--token", "Zq7"), ("--source", "http://a:wV3@h/v?p=Zq7"), ("m@2x.onnx",), ("-o", "out.json")])
)
def test_the_order_of_the_words_is_no_matter(pairs: list[tuple[str, ...]]) -> None:
    shown = [shown_command(pair) for pair in pairs]
    assert shown_command([word for pair in pairs for word in pair]) == " ".join(shown)


ODD = st.text("aA0:/\\@#?&;=_-.,! '\"%…\n", max_size=40) | st.sampled_from([*WITH_LOGIN, *IN_VALUES, *HARMLESS])


@given(ODD)
def test_what_is_masked_stays_as_it_is(text: str) -> None:
    for address in (text, f"gst:{text}", f"http://h/{text}"):
        assert shown_address(shown_address(address)) == shown_address(address)
    assert shown_command_text(shown_command_text(text)) == shown_command_text(text)


@given(st.lists(ODD))
def test_a_command_that_is_masked_stays_as_it_is(words: list[str]) -> None:
    shown = shown_command(words)
    assert shown_command(shlex.split(shown)) == shown
    assert shown_command_text(shown) == shown


@given(SECRETS)
def test_what_others_say_of_an_address_has_no_secret(secret: str) -> None:
    address = f"rtsp://admin:{secret}@10.0.0.5/v?user=admin&p=xY9"
    encoded = secret.encode().hex(" ").upper().replace(" ", "%")
    for said in (address, secret, f"port {secret!r}", f"nonnumeric port: '{secret.split('/')[0]}'", "xY9"):
        assert not seen(hidden_in(f"cannot open {said}", address))
        assert "xY9" not in hidden_in(f"cannot open {said}", address)
    assert hidden_in(f"no host %{encoded}: timed out", address).endswith("timed out")


def test_a_message_keeps_its_words() -> None:
    assert hidden_in("cannot reach 10.0.0.5 as a", "http://a:b@10.0.0.5") == "cannot reach 10.0.0.5 as …"


@pytest.mark.parametrize("login", ["a:b#c", "a:b/c", "a:b@c", "a:b c", "a:b?c"])
def test_letters_that_a_login_must_not_hold_are_named(login: str) -> None:
    assert "write # as %23" in login_letters(f"rtsp://{login}@camera/x")


def test_a_login_that_is_written_right_needs_no_advice() -> None:
    assert login_letters("rtsp://a:b%23c@camera/x") == login_letters("http://camera/x y") == ""
