import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet.quantisation.clipping import BINS, METHODS, Histogram, clip


def _activations(images: int, seed: int = 0) -> list[NDArray[np.float32]]:
    """Like a layer after its ReLU: half zeros, a long tail, each image louder or quieter than the last."""
    generator = np.random.default_rng(seed)
    loudness = 10.0 ** generator.uniform(-3, 3, images)
    return [np.maximum(generator.standard_normal((1, 4, 16, 20)) * k, 0).astype(np.float32) for k in loudness]


def _histogram(arrays: list[NDArray[np.float32]]) -> Histogram:
    histogram = Histogram()
    for array in arrays:
        histogram.add(array)
    return histogram


def _rms_error(values: NDArray[np.float32], limit: float) -> float:
    """Of symmetric int8 with a scale of limit / 127."""
    scale = limit / 127
    return float(np.sqrt(np.mean((values - np.clip(np.rint(values / scale), -127, 127) * scale) ** 2)))


def test_the_histogram_does_not_depend_on_the_order_of_the_images() -> None:
    arrays = _activations(8)
    first, second = _histogram(arrays), _histogram(sorted(arrays, key=np.max, reverse=True))
    np.testing.assert_array_equal(first.counts, second.counts)
    assert all(clip(first, method) == clip(second, method) for method in METHODS)


def test_the_histogram_counts_every_value_in_its_bin() -> None:
    arrays = _activations(4)
    values = np.concatenate([np.abs(a).ravel() for a in arrays])
    histogram = _histogram(arrays)
    counts, width = histogram.used(), histogram.bin_width
    expected = np.bincount((values / width).astype(int), minlength=len(counts))
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == values.size
    assert BINS / 2 < len(counts) <= BINS


def test_histograms_of_single_images_merge_to_that_of_all() -> None:
    arrays = [np.zeros((1, 2, 4, 4), np.float32), *_activations(8), -np.ones((3, 5), np.float32)]
    expected, merged, backwards = _histogram(arrays), Histogram(), Histogram()
    for array in arrays:
        merged.merge(_histogram([array]))
    for array in reversed(arrays):
        backwards.merge(_histogram([array]))
    for histogram in (merged, backwards):
        np.testing.assert_array_equal(histogram.counts, expected.counts)
        assert (histogram.low, histogram.high) == (expected.low, expected.high) == (-1.0, max(a.max() for a in arrays))
        assert histogram.bin_width == expected.bin_width


def test_a_tensor_larger_than_what_is_counted_at_once_is_counted_whole() -> None:
    values = np.random.default_rng(0).standard_normal((1, 3, 1024, 1024)).astype(np.float32)
    histogram = _histogram([values])
    expected = np.bincount((np.abs(values).ravel() / histogram.bin_width).astype(int), minlength=BINS)
    np.testing.assert_array_equal(histogram.counts, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    values = np.ones((1, 2, 4, 4), np.float32)
    values[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match="finite"):
        Histogram().add(values)


def test_the_summary_has_all_values_in_fewer_bins() -> None:
    values = np.array([[0.0, 0.2, 0.6, -0.9, 3.5]], np.float32)
    assert _histogram([values]).summary(8) == ((2, 2, 0, 0, 0, 0, 0, 1), 0.5)


def test_negative_values_count_by_their_size() -> None:
    histogram = _histogram([np.full((1, 1, 2, 2), -3.0, np.float32), np.full((1, 1, 2, 2), 1.0, np.float32)])
    assert (histogram.low, histogram.high, histogram.peak) == (-3.0, 1.0, 3.0)
    assert clip(histogram, "minmax") == 3.0


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_that_is_always_zero_has_range_zero(method: str) -> None:
    assert clip(_histogram([np.zeros((1, 2, 4, 4), np.float32)]), method) == 0.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [1e-38, 1e-30, 1.0, 1e30, 3e38])
def test_a_constant_tensor_keeps_its_value_inside_the_range(method: str, value: float) -> None:
    histogram = _histogram([np.full((1, 2, 4, 4), value, np.float32)])
    assert clip(histogram, method) == pytest.approx(value, rel=1e-3)


def test_the_percentile_is_that_of_the_values() -> None:
    values = np.abs(np.random.default_rng(0).standard_normal((1, 10, 100, 400)).astype(np.float32))
    assert clip(_histogram([values]), "percentile") == pytest.approx(np.quantile(values, 0.9999), rel=2e-3)


def test_mse_finds_the_clip_with_the_least_error() -> None:
    values = np.random.default_rng(0).laplace(size=(1, 10, 100, 100)).astype(np.float32)
    limit = clip(_histogram([values]), "mse")
    best = min(_rms_error(values, k) for k in np.linspace(0.05, 1, 200) * np.abs(values).max())
    assert _rms_error(values, limit) <= 1.01 * best
    assert _rms_error(values, limit) < 0.95 * _rms_error(values, float(np.abs(values).max()))


def test_entropy_ignores_a_lone_outlier_but_keeps_the_body() -> None:
    values = np.abs(np.random.default_rng(0).standard_normal((1, 10, 100, 100)).astype(np.float32))
    body = float(values.max())
    values[0, 0, 0, 0] = 10 * body
    assert 0.4 * body < clip(_histogram([values]), "entropy") < 1.5 * body
    assert clip(_histogram([values]), "minmax") == pytest.approx(10 * body)


@pytest.mark.parametrize("method", ["entropy", "mse"])
def test_the_zeros_that_a_relu_leaves_do_not_move_the_clip(method: str) -> None:
    values = np.abs(np.random.default_rng(0).laplace(size=(1, 10, 100, 100)).astype(np.float32))
    mostly_zero = np.concatenate([values, np.zeros((1, 200, 100, 100), np.float32)], axis=1)
    assert clip(_histogram([mostly_zero]), method) == pytest.approx(clip(_histogram([values]), method), rel=1e-6)
