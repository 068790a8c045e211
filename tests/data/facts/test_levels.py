"""The levels of frames of 16 bits, as typed and from the data."""

from __future__ import annotations

import numpy as np
import pytest

from edgeunet.data.facts.levels import levels_from_text, levels_of_frames, text_of
from edgeunet.errors import UsageError


@pytest.mark.parametrize(
    ("text", "channels", "levels"),
    [
        ("1000:4000", 1, ((1000, 4000),)),
        ("1000:4000", 3, ((1000, 4000),) * 3),
        ("0:65535, 7012.5:7400", 2, ((0, 65535), (7012.5, 7400))),
    ],
)
def test_levels_are_typed_once_or_for_each_channel(
    text: str, channels: int, levels: tuple[tuple[float, float], ...]
) -> None:
    assert levels_from_text(text, channels) == levels
    assert levels_from_text(text_of(levels), channels) == levels


@pytest.mark.parametrize(
    "text", ["", "1000", "4000:1000", "5:5", "0:70000", "-1:5", "nan:5", "1:2,3:4", "1:2:3", "a:b", "1e3:5e3", "1:2,"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"--levels (is auto, or LOW:HIGH such as 1000:4000|has LOW below HIGH)"):
        levels_from_text(text, 3)


def test_levels_of_the_data_leave_out_half_a_percent_at_each_end() -> None:
    """As NumPy's percentiles of all pixels of all frames together."""
    rng = np.random.default_rng(0)
    frames = [rng.normal(30000 + 300 * k, 500, (40, 50, 2)).round().astype(np.uint16) for k in range(5)]
    found = levels_of_frames(frames, 2)
    together = np.concatenate([frame.reshape(-1, 2) for frame in frames])
    for channel, (low, high) in enumerate(found):
        exact = np.percentile(together[:, channel], [0.5, 99.5], method="inverted_cdf")
        assert (low, high) == tuple(exact)
