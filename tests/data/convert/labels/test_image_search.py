"""Finding the image that an export names, and a name for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.data.convert.labels.image_search import ImageSearch, unique_names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("export/train/a.jpg", "export/val/a.jpg", "export/masks/a.jpg", "export/B.JPG", "outside.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "export"


@pytest.mark.parametrize(
    ("named", "near", "found"),
    [
        ("val/a.jpg", (), "val/a.jpg"),
        ("/home/me/val/a.jpg", (), "val/a.jpg"),
        ("C:\\data\\val\\a.jpg", (), "val/a.jpg"),
        ("a.jpg", ("val",), "val/a.jpg"),
        ("a.jpg", (), "train/a.jpg"),
        ("masks/a.jpg", (), "masks/a.jpg"),
        ("b.jpg", (), "B.JPG"),
        ("../outside.jpg", (), None),
        ("..", (), None),
        ("", (), None),
    ],
)
def test_the_nearest_image_counts_and_none_outside(
    root: Path, named: str, near: tuple[str, ...], found: str | None
) -> None:
    search = ImageSearch(root)
    assert search.find(named, near) == (None if found is None else root / found)
    if found and "." in named:
        assert search.find_stem(named.rpartition(".")[0], near) == root / found


def test_names_are_unique_on_any_system(root: Path) -> None:
    paths = [root / "train" / "a.jpg", root / "val" / "a.jpg", root / "val" / "A.png", root / "b.jpg"]
    assert list(unique_names(paths, root).values()) == ["train_a", "val_a", "val_A_", "b"]
    assert list(unique_names([Path("/elsewhere/x.jpg")], root).values()) == ["x"]


def test_names_that_differ_by_case_are_two_where_both_are_there(tmp_path: Path) -> None:
    for name in ("train/A.jpg", "train/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    if len(list((tmp_path / "train").iterdir())) < 2:
        pytest.skip("this file system does not tell upper from lower case")
    search = ImageSearch(tmp_path)
    for name in ("A.jpg", "a.jpg"):
        assert search.find(name) == search.find(f"train/{name}") == tmp_path / "train" / name
        assert search.find_stem(name[0]) == tmp_path / "train" / name
