from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, MismatchError
from edgeunet.spec import ModelSpec, PixelFormat
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.hints.file_hints import SaidInput
from edgeunet_export.foreign.preprocessing import Preprocessing, scale_of_range
from edgeunet_export.foreign.reading.opening import read_network
from edgeunet_export.foreign.search.input_search import FoundInput, find_input, missing_options
from edgeunet_export.foreign.search.input_ways import Given, input_ways, options_of, title_of
from edgeunet_export.foreign.search.labelled_frames import LabelledFrames
from tests.export.foreign.colour_networks import CLASSES, SIZE, Weights, colour_network, write_colours

WAYS = [c.preprocessing for channels in (3, 1) for c in input_ways(channels, Given())]
RGB_01 = Preprocessing("rgb", *scale_of_range(0, 1, 3))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("colours") / "data")


def network(folder: Path, way: Preprocessing, weights: Weights | None = None) -> ForeignNetwork:
    return read_network(str(colour_network(folder / "n.onnx", way, weights=weights)), size=None, output="")


def spec(data: Path, channels: int = 3) -> ModelSpec:
    values = ModelSpec.usual_scale(PixelFormat(channels))
    return ModelSpec(DatasetFolder.open(data).classes, SIZE, mean=values[0], std=values[1], channels=channels)


def labelled(data: Path, channels: int = 3, split: str = "val") -> LabelledFrames:
    return LabelledFrames(DatasetFolder.open(data), split, PixelFormat(channels))


def search(data: Path, its: ForeignNetwork, given: Given | None = None, said: SaidInput | None = None) -> FoundInput:
    return find_input(its, given or Given(), said, labelled(data, its.channels), spec(data, its.channels))


@pytest.mark.parametrize("way", WAYS, ids=title_of)
def test_the_way_in_which_a_network_was_trained_is_found(data: Path, tmp_path: Path, way: Preprocessing) -> None:
    found = search(data, network(tmp_path, way))
    assert found.preprocessing == way
    assert found.tried[0].startswith("mIoU on 10 labelled frames of val and train")
    assert found.tried[1].endswith(f"10 frames  {title_of(way)}: {options_of(way)}")
    assert str(found) == f"{title_of(way)}, as the labels show"


def test_what_is_given_is_not_tried_otherwise(data: Path, tmp_path: Path) -> None:
    tried = search(data, network(tmp_path, RGB_01), Given(order="rgb")).tried
    assert ["RGB" in line for line in tried] == [False, True, True, True, True]
    whole = Given("bgr", scale_of_range(-1, 1, 3))  # wrong, and not doubted
    found = search(data, network(tmp_path, RGB_01), whole)
    assert (str(found), found.tried) == ("BGR, -1 to 1", ())


def test_an_unusual_way_is_found_if_the_file_says_it(data: Path, tmp_path: Path) -> None:
    way = Preprocessing("bgr", (104.0, 117.0, 123.0), (1.0, 1.0, 1.0))
    found = search(data, network(tmp_path, way), None, SaidInput(way, "pipeline.json", certain=True))
    assert str(found) == f"{title_of(way)}, as pipeline.json says and the labels show"


def test_a_file_that_says_what_the_labels_deny_is_contradicted(data: Path, tmp_path: Path) -> None:
    said = SaidInput(replace(RGB_01, order="bgr"), "config.json", certain=True)
    found = search(data, network(tmp_path, RGB_01), None, said)
    assert str(found) == "RGB, 0 to 1, as the labels show, and not as config.json says"
    assert any("BGR, 0 to 1 (of config.json)" in line for line in found.tried)


def test_an_untrained_network_is_refused_with_what_was_tried(data: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = ((16, 3), (16, 16), (len(CLASSES), 16))
    random = [(rng.normal(0, 1, s).astype(np.float32), np.zeros(s[0], np.float32)) for s in shapes]
    with pytest.raises(MismatchError, match="that of a trained network is at least") as error:
        search(data, network(tmp_path, RGB_01, random))
    assert all(options_of(way) in str(error.value) for way in WAYS[:8])


def test_a_network_with_the_classes_in_another_order_is_refused(data: Path, tmp_path: Path) -> None:
    its = network(tmp_path, RGB_01)
    permuted = replace(its, run=lambda planes: np.roll(its.run(planes), 1, 1))
    with pytest.raises(MismatchError, match="its classes are in another order"):
        search(data, permuted)


def test_a_network_to_which_the_order_of_colours_does_not_matter_is_refused(data: Path, tmp_path: Path) -> None:
    its = network(tmp_path, Preprocessing("grey", *scale_of_range(0, 1, 1)))
    grey = replace(its, channels=3, run=lambda planes: its.run(planes.mean(1, keepdims=True)))
    with pytest.raises(MismatchError, match="say which is right: --rgb or --bgr; or label") as error:
        search(data, grey)
    assert "RGB, 0 to 1 leads" in str(error.value) or "give the same masks" in str(error.value)
    for order in ("rgb", "bgr"):
        assert search(data, grey, Given(order=order)).preprocessing.order == order  # the remedy works
    said = SaidInput(replace(RGB_01, order="bgr"), "config.json", certain=False)
    assert str(search(data, grey, None, said)) == "BGR, 0 to 1, as config.json says, where the labels do not tell"


def test_a_network_that_scales_its_input_itself_leaves_the_scale_open(data: Path, tmp_path: Path) -> None:
    its = network(tmp_path, RGB_01)

    def run(planes: np.ndarray) -> np.ndarray:
        low, high = planes.min(), planes.max()
        return its.run((planes - low) / (high - low))

    with pytest.raises(MismatchError, match="say which is right: --mean and --std, or --range; or label"):
        search(data, replace(its, run=run))


def test_without_labels_only_what_a_tool_writes_of_itself_counts(data: Path, tmp_path: Path) -> None:
    its = network(tmp_path, RGB_01)
    said = SaidInput(RGB_01, "preprocessor_config.json", certain=True)
    assert missing_options(3, Given(), said) == []
    found = find_input(its, Given(), said, None, spec(data))
    assert found.preprocessing == RGB_01
    assert str(found) == "RGB, 0 to 1, as preprocessor_config.json says; not checked, as there are no labels"
    order, scale = "--rgb or --bgr", "--mean and --std, or --range"
    assert missing_options(3, Given(), said._replace(certain=False)) == [order, scale]
    assert missing_options(3, Given(order="rgb"), None) == [scale]
    assert missing_options(3, Given(scale=scale_of_range(0, 1, 3)), None) == [order]
    assert missing_options(1, Given(), None) == [scale]


def test_few_frames_are_run_where_few_are_enough(tmp_path: Path) -> None:
    data = write_colours(tmp_path / "data", train=90, val=30)
    its = network(tmp_path, RGB_01)
    runs = 0

    def run(planes: np.ndarray) -> np.ndarray:
        nonlocal runs
        runs += 1
        return its.run(planes)

    lines = search(data, replace(its, run=run)).tried
    assert "120 labelled frames" in lines[0]
    assert runs == 8 * 8 + 2 * (32 - 8)  # all on a few, and the best two on more
    assert "32 frames  RGB, 0 to 1:" in lines[1]
    assert "32 frames  " in lines[2]
    assert all(" 8 frames  " in line for line in lines[3:9])


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    data = write_colours(tmp_path / "data", train=1, val=1)
    (data / "masks" / "val" / "000.png").write_bytes(b"no png")
    with pytest.raises(DatasetError, match=r"masks/val/000\.png"):
        search(data, network(tmp_path, RGB_01))


def test_frames_of_test_count_only_if_they_are_asked_for(tmp_path: Path) -> None:
    data = write_colours(tmp_path / "data", train=2, val=1)
    for kind in ("images", "masks"):
        (data / kind / "val").rename(data / kind / "test")
    assert str(labelled(data)) == "2 labelled frames of train"
    assert str(labelled(data, split="test")) == "3 labelled frames of test and train"
