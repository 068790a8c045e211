import pytest

from edgeunet_export.foreign.hints.file_hints import SaidInput
from edgeunet_export.foreign.preprocessing import Preprocessing, scale_of_range, scale_of_values
from edgeunet_export.foreign.search.input_ways import Given, input_ways, options_of, title_of

IMAGENET = scale_of_values((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 3)
SAID = SaidInput(Preprocessing("rgb", *IMAGENET), "preprocessor_config.json", certain=True)


def titles(channels: int = 3, given: Given | None = None, said: SaidInput | None = None) -> list[str]:
    return [title_of(way.preprocessing) for way in input_ways(channels, given or Given(), said)]


def test_two_orders_in_four_usual_scales() -> None:
    scales = ["0 to 1", "0 to 255", "-1 to 1", "ImageNet's mean and std"]
    assert titles() == [f"{order}, {scale}" for order in ("RGB", "BGR") for scale in scales]


def test_a_grey_network_has_one_order() -> None:
    assert titles(1) == ["grey, 0 to 1", "grey, 0 to 255", "grey, -1 to 1", "grey, ImageNet's mean and std"]


def test_imagenets_mean_goes_with_the_colour() -> None:
    ways = {title_of(c.preprocessing): c.preprocessing for c in input_ways(3, Given())}
    rgb, bgr = ways["RGB, ImageNet's mean and std"], ways["BGR, ImageNet's mean and std"]
    assert rgb.mean == pytest.approx(IMAGENET[0])
    assert (bgr.mean, bgr.std) == (rgb.mean[::-1], rgb.std[::-1])


def test_what_is_given_is_fixed() -> None:
    assert {t.split(",")[0] for t in titles(given=Given(order="bgr"))} == {"BGR"}
    assert titles(given=Given(scale=scale_of_range(-1, 1, 3))) == ["RGB, -1 to 1", "BGR, -1 to 1"]
    assert titles(given=Given("rgb", IMAGENET)) == ["RGB, ImageNet's mean and std"]


def test_the_word_of_the_file_is_first_and_not_tried_twice() -> None:
    found = input_ways(3, Given(), SAID)
    assert [c.origin for c in found] == ["preprocessor_config.json", *[""] * 7]
    assert title_of(found[0].preprocessing) == "RGB, ImageNet's mean and std"


def test_an_option_goes_before_the_word_of_the_file() -> None:
    found = input_ways(3, Given(order="bgr"), SAID)
    assert {c.preprocessing.order for c in found} == {"bgr"}
    found = input_ways(3, Given("bgr", scale_of_range(0, 1, 3)), SAID)
    assert [c.preprocessing for c in found] == [Preprocessing("bgr", *scale_of_range(0, 1, 3))]


@pytest.mark.parametrize(
    ("way", "title", "options"),
    [
        (Preprocessing("bgr", *scale_of_range(0, 255, 3)), "BGR, 0 to 255", "--bgr --range 0:255"),
        (Preprocessing("grey", *scale_of_range(-1, 1, 1)), "grey, -1 to 1", "--range -1:1"),
        (
            SAID.preprocessing,
            "RGB, ImageNet's mean and std",
            "--rgb --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        ),
        (
            Preprocessing("rgb", (104.0, 117.0, 123.0), (1.0, 1.0, 1.0)),
            "RGB, mean 104,117,123 and std 1,1,1 of 0 to 255",
            "--rgb --mean 104,117,123 --std 1,1,1",
        ),
    ],
)
def test_the_options_say_the_same_as_the_title(way: Preprocessing, title: str, options: str) -> None:
    assert title_of(way) == title
    assert options_of(way) == options
    if "--mean" in options:  # as the command reads it
        mean, std = (tuple(map(float, options.split(name)[1].split()[0].split(","))) for name in ("--mean", "--std"))
        read = scale_of_values(mean, std, way.channels)
        assert [pytest.approx(v, rel=1e-3) for v in read] == [way.mean, way.std]
