"""A .zip instead of a folder."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.formats.test_yolo import write_yolo
from tests.data.convert.trees import write_colors
from tests.data.convert.two_frames import made_masks

PLAIN = ConversionOptions()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def zipped(folder: Path, *, inside: str = "") -> Path:
    file = folder.with_suffix(".zip")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, Path(inside) / path.relative_to(folder))
    shutil.rmtree(folder)
    return file


@pytest.mark.parametrize("inside", ["", "project/export"])
def test_a_zip_is_converted_as_its_folder_would_be(tmp_path: Path, temporary: Path, inside: str) -> None:
    file = zipped(write_yolo(tmp_path / "export", "names: [road, car]\n"), inside=inside)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("__MACOSX/export/._data.yaml", b"\0")
    before = file.read_bytes()
    done = convert(file, tmp_path / "made", PLAIN)
    assert done.frames == {"train": 1, "val": 1}
    assert made_masks(tmp_path / "made").keys() == {"a", "b"}
    assert '"dataset": "export"' in (tmp_path / "made" / "classes.json").read_text()
    assert (list(temporary.iterdir()), file.read_bytes()) == ([], before)


def test_errors_name_the_zip(tmp_path: Path, temporary: Path) -> None:
    file = zipped(write_yolo(tmp_path / "export", "names: [road]\n"))
    with pytest.raises(DatasetError) as caught:
        convert(file, tmp_path / "made", PLAIN)
    assert str(file) in str(caught.value)
    assert str(temporary) not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export.zip", "temporary"]
    assert list(temporary.iterdir()) == []


def test_a_list_to_fill_in_is_written_beside_the_output(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "export")
    (source / "classes.json").unlink()
    file = zipped(source)
    with pytest.raises(DatasetError, match=rf"edgeunet data convert {file} -o {tmp_path}/made --classes"):
        convert(file, tmp_path / "made", PLAIN)
    assert (tmp_path / "made.classes.csv").is_file()


@pytest.mark.parametrize("name", ["../../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\..\\out.txt", "C:/out.txt"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.yaml", "names: [road]")
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(DatasetError, match=r"leads out of it, .*nothing was unpacked"):
        convert(file, tmp_path / "made", PLAIN)
    assert not list(tmp_path.rglob("out.txt"))


def test_folders_in_folders_without_end_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("d/" * 2000 + "a.png", b"")
    with pytest.raises(DatasetError, match=r"has a file in 2000 folders, .* at most 100"):
        convert(tmp_path / "x.zip", tmp_path / "made", PLAIN)


def test_links_and_passwords_are_refused(tmp_path: Path) -> None:
    link, locked = zipfile.ZipInfo("link"), zipfile.ZipInfo("locked")
    link.external_attr = 0o120777 << 16
    for info, says in ((link, "has a link, 'link'"), (locked, "is protected by a password")):
        file = tmp_path / f"{info.filename}.zip"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(info, "/etc")
        data = bytearray(file.read_bytes())
        if info is locked:
            data[data.index(b"PK\1\2") + 8] |= 1
            file.write_bytes(data)
        with pytest.raises(DatasetError, match=says):
            convert(file, tmp_path / "made", PLAIN)


def test_a_zip_that_does_not_fit_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = zipped(write_yolo(tmp_path / "export", "names: [road, car]\n"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(DatasetError, match="set TMPDIR to a folder on another disk"):
        convert(file, tmp_path / "made", PLAIN)
    assert list(temporary.iterdir()) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = zipped(write_yolo(tmp_path / "export", "names: [road, car]\n"))
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes(64) + whole[164:])
    with pytest.raises(DatasetError, match=r"is a damaged .zip"):
        convert(file, tmp_path / "made", PLAIN)
    file.with_suffix(".rar").write_bytes(b"Rar!")
    with pytest.raises(DatasetError, match=r"is neither a folder nor a .zip"):
        convert(file.with_suffix(".rar"), tmp_path / "made", PLAIN)
    with pytest.raises(DatasetError, match=r"no such folder or .zip"):
        convert(tmp_path / "none.zip", tmp_path / "made", PLAIN)


def test_a_zip_in_a_zip_or_a_folder_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", b"")
    with pytest.raises(DatasetError, match=r"outer.zip has no known layout, but inner.zip in it may have: unpack it$"):
        convert(tmp_path / "outer.zip", tmp_path / "made", ConversionOptions())


def test_what_is_wrong_with_a_zip_is_said(tmp_path: Path) -> None:
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.txt", bytes(1000))
    (tmp_path / "half.zip").write_bytes(whole.read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"half.zip is a damaged .zip, such as half a download: download or export"):
        convert(tmp_path / "half.zip", tmp_path / "made", ConversionOptions())
    with zipfile.ZipFile(whole, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a.txt", b"")
    with pytest.raises(DatasetError, match=r"whole.zip is a damaged .zip.* \(two files have the name 'a.txt'\)"):
        convert(whole, tmp_path / "made", ConversionOptions())
