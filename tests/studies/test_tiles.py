from __future__ import annotations

from pathlib import Path

from benchmarks.studies import tiles
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.facts.object_sizes import usual_input_size
from edgeunet.data.loading import load_split


def test_only_bright_specks_are_labelled_and_both_networks_have_one_input_size(tmp_path: Path) -> None:
    dataset = DatasetFolder.open(tiles.write_specks(tmp_path / "specks"))
    samples = load_split(dataset, "val", quiet=True)
    assert len(samples) == tiles.FRAMES["val"]
    for sample in samples:
        assert 0 < (sample.mask == 1).mean() < 0.005
        assert (sample.frame[sample.mask == 1] >= 30).all()
        assert (sample.frame == 210).all(2).sum() > 0.9 * (sample.mask == 1).sum()
    assert usual_input_size([tiles.FRAME]) == usual_input_size([tiles.FRAME], tiles.TILES)
