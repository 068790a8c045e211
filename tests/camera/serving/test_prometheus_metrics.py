from __future__ import annotations

import re
from urllib.request import urlopen

from edgeunet import __version__
from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.prometheus_metrics import exposition, serving_metrics
from edgeunet.camera.state.mask_state import Finding, MaskState, StateStats
from edgeunet.camera.statistics import FallbackStats, LoopStats, Quantiles

MS = 1_000_000
AGE = Quantiles(4, 100 * MS, 20 * MS, 30 * MS, 40 * MS, 41 * MS)
STATS = {
    "camera 0": LoopStats(
        read=9,
        published=4,
        dropped=5,
        corrupt=1,
        misses=2,
        reconnects=3,
        recent_fps=29.97,
        age=AGE,
        stages={"fit": AGE},
        state=StateStats(Finding(MaskState.LATE, "50 ms old"), 250 * MS, {MaskState.LATE: 3, MaskState.FRESH: 1}),
    ),
    'a"b\\c\nd': LoopStats(),
}
LINE = re.compile(r'edgeunet_\w+\{(\w+="([^"\\\n]|\\["\\n])*",?)*\} [0-9.e+-]+')


def test_every_line_is_in_the_text_format() -> None:
    described: set[str] = set()
    for line in exposition(STATS, {"model": "m.onnx"}).decode().removesuffix("\n").split("\n"):
        if line.startswith("# TYPE"):
            described.add(line.split(" ")[2])
        elif not line.startswith("# HELP"):
            assert LINE.fullmatch(line), line
            assert re.sub(r"(_sum|_count)?\{.*", "", line) in described


def test_it_holds_the_loop_s_figures() -> None:
    text = exposition(STATS, {"model": "m.onnx"}).decode().split("\n")
    for line in (
        f'edgeunet_build_info{{model="m.onnx",version="{__version__}"}} 1.0',
        'edgeunet_frames_read_total{source="camera 0"} 9.0',
        'edgeunet_masks_total{source="camera 0"} 4.0',
        'edgeunet_frames_dropped_total{source="camera 0"} 5.0',
        'edgeunet_frames_corrupt_total{source="camera 0"} 1.0',
        'edgeunet_deadline_misses_total{source="camera 0"} 2.0',
        'edgeunet_reconnects_total{source="camera 0"} 3.0',
        'edgeunet_inferences_failed_total{source="a\\"b\\\\c\\nd"} 0.0',
        'edgeunet_state{source="camera 0",state="late"} 1.0',
        'edgeunet_state{source="camera 0",state="fresh"} 0.0',
        'edgeunet_state{source="a\\"b\\\\c\\nd",state="none"} 1.0',
        'edgeunet_masks_in_state_total{source="camera 0",state="late"} 3.0',
        'edgeunet_masks_in_state_total{source="camera 0",state="low confidence"} 0.0',
        'edgeunet_last_mask_age_seconds{source="camera 0"} 0.25',
        'edgeunet_masks_per_second{source="camera 0"} 29.97',
        'edgeunet_frame_age_seconds{quantile="0.99",source="camera 0"} 0.04',
        'edgeunet_frame_age_seconds_sum{source="camera 0"} 0.1',
        'edgeunet_frame_age_seconds_count{source="camera 0"} 4.0',
        'edgeunet_stage_seconds{quantile="1",source="camera 0",stage="fit"} 0.041',
        'edgeunet_jitter_seconds_count{source="camera 0"} 0.0',
    ):
        assert line in text
    assert not [line for line in text if line.startswith("edgeunet_jitter") and "quantile" in line]  # there is none yet


def test_the_metrics_say_which_model_is_in_use_and_how_often_that_changed() -> None:
    fallbacks = FallbackStats(
        ("big.engine", "small.engine"), "small.engine", {"deadline": 3, "throttling": 0, "fits": 2}
    )
    text = exposition(STATS, {"model": "big.engine"}, fallbacks).decode().split("\n")
    for line in (
        'edgeunet_model_in_use{model="big.engine"} 0.0',
        'edgeunet_model_in_use{model="small.engine"} 1.0',
        'edgeunet_model_switches_total{cause="deadline"} 3.0',
        'edgeunet_model_switches_total{cause="throttling"} 0.0',
        'edgeunet_model_switches_total{cause="fits"} 2.0',
    ):
        assert line in text
    assert not [line for line in exposition(STATS, {}).decode().split("\n") if "edgeunet_model" in line]


def test_a_scrape_gets_the_figures_of_that_moment() -> None:
    said: list[str] = []
    stats = {"camera 0": LoopStats(published=1)}
    with serving_metrics(Access(HostPort("127.0.0.1", 0)), lambda: stats, {}, said.append) as server:
        address = f"http://127.0.0.1:{server.port}/metrics"
        assert said == [f"metrics: {address}"]
        for count in (1, 2):
            stats["camera 0"] = LoopStats(published=count)
            with urlopen(address, timeout=10) as response:
                assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                assert f'edgeunet_masks_total{{source="camera 0"}} {count}.0\n' in response.read().decode()
