"""Files that are no models are called what they are, with what to do."""

from __future__ import annotations

import gzip
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from edgeunet.errors import ModelFileError
from edgeunet.runtime.onnx_header import read_onnx_header
from tests.models import write_toy_model


def _zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network.onnx", b"x" * 999)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: copy it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "Git LFS: `git lfs pull`"),
        (b"<!DOCTYPE html><title>Not found</title>", "a page of a website: download the file itself"),
        (pickle.dumps({"a": 1}), "a pickle of Python objects, and to load it would run code"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "TensorFlow or Keras: .* tf2onnx"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow or Keras: .* tf2onnx"),
        ("# Übersicht\n".encode() * 99, "is not a model but a text: give the model's own file"),
    ],
)
def test_a_file_is_known_by_how_it_begins(tmp_path: Path, content: bytes, says: str) -> None:
    _refused(tmp_path / "model.onnx", content, says)


def test_an_archive_is_unpacked_by_the_user_and_a_cut_one_copied_again(tmp_path: Path) -> None:
    whole = _zipped(tmp_path / "zip")
    _refused(tmp_path / "model.onnx", whole, "is an archive: unpack it first")
    _refused(tmp_path / "model.onnx", whole[:-30], "is cut: copy or download it again")
    packed = gzip.compress(write_toy_model(tmp_path / "toy.onnx").read_bytes())
    _refused(tmp_path / "model.onnx", packed, "is an archive: unpack it first")
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.add(tmp_path / "toy.onnx", "toy.onnx")
    _refused(tmp_path / "model.onnx", (tmp_path / "tar").read_bytes(), "is an archive: unpack it first")


def test_a_program_of_torch_export_is_not_a_checkpoint(tmp_path: Path) -> None:
    program = torch.export.export(nn.Conv2d(3, 2, 1).eval(), (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, tmp_path / "program.pt2")
    _refused(tmp_path / "model.onnx", (tmp_path / "program.pt2").read_bytes(), "is of torch.export: make a .onnx file")


def _refused(path: Path, content: bytes, says: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=says):
        read_onnx_header(path)
