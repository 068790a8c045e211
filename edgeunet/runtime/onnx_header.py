"""The header of a .onnx file, read without a backend: metadata, inputs, outputs; the nodes are skipped.

Layout: ModelProto, GraphProto, ValueInfoProto and TypeProto of onnx.proto, encoded as protocol buffers' "Encoding"
describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edgeunet.errors import ModelFileError
from edgeunet.utils.model_kind import not_a_file, other_kind

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_MOST_FIELDS = 2_000_000  # in one file: the largest networks have a few thousand
_MOST_OPSET = 1000  # ONNX has 27 in 2026
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}


@dataclass(frozen=True)
class Tensor:
    """An input or an output. shape: None where it is not said; so are dimensions that are free."""

    name: str
    dtype: str  # "uint8"
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        shape = "?" if self.shape is None else ", ".join("N" if n is None else str(n) for n in self.shape)
        return f"{self.name} {self.dtype} [{shape}]"


@dataclass
class OnnxHeader:
    """metadata: as bytes. inputs: those without a value of their own in the file."""

    metadata: dict[str, bytes] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()


def read_onnx_header(path: Path) -> OnnxHeader:
    """Read a .onnx file's header. Raises ModelFileError if it is missing, damaged or another kind of file."""
    if not path.is_file():
        raise not_a_file(path, "model file", "edgeunet export onnx")
    if error := other_kind(path, "onnx"):
        raise error
    try:
        with path.open("rb") as file:
            return _HeaderReader(file, path.stat().st_size).header()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not a model in the ONNX format ({error}): export it again") from error


class _Field(NamedTuple):
    """number, kind: of the field. value: of a varint. start, end: of the bytes of any other."""

    number: int
    kind: int
    value: int
    start: int
    end: int


class _HeaderReader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._fields = 0

    def header(self) -> OnnxHeader:
        header, graphs = OnnxHeader(), 0
        for entry in self._each(0, self._size):
            if entry.kind == _BYTES and entry.number == 14:  # metadata_props
                texts = {f.number: self._bytes(f) for f in self._each(entry.start, entry.end) if f.kind == _BYTES}
                header.metadata[texts.get(1, b"").decode(errors="replace")] = texts.get(2, b"")
            elif entry.kind == _BYTES and entry.number == 7:  # graph
                graphs += 1
                self._graph(entry, header)
            elif entry.kind == _BYTES and entry.number == 8:  # opset_import
                self._require_opset(entry)
        if graphs != 1:
            raise ValueError("it holds no graph" if not graphs else "it holds several graphs")
        return header

    def _require_opset(self, message: _Field) -> None:
        """OpenVINO looks through all versions from this one down."""
        for entry in self._each(message.start, message.end):
            if entry.kind == _VARINT and entry.number == 2 and entry.value > _MOST_OPSET:
                raise ValueError(f"its opset is {entry.value}")

    def _graph(self, graph: _Field, header: OnnxHeader) -> None:
        tensors: dict[int, list[Tensor]] = {11: [], 12: []}  # input, output
        stored: set[str] = set()
        for entry in self._each(graph.start, graph.end):
            if entry.kind == _BYTES and entry.number == 5:  # initializer
                stored.add(self._name(entry, 8))
            elif entry.kind == _BYTES and entry.number in tensors:
                tensors[entry.number].append(self._tensor(entry))
        header.inputs = tuple(tensor for tensor in tensors[11] if tensor.name not in stored)
        header.outputs = tuple(tensors[12])

    def _name(self, message: _Field, number: int) -> str:
        """A tensor's name; its values may be many MB and are skipped."""
        names = [self._bytes(f) for f in self._messages(message, number)]
        return names[-1].decode(errors="replace") if names else ""

    def _tensor(self, message: _Field) -> Tensor:
        name, dtype, shape = self._name(message, 1), "of no type", None
        for kind in self._messages(message, 2):
            dtype = "no tensor"
            for tensor in self._messages(kind, 1):
                dtype = "of no type"
                for entry in self._each(tensor.start, tensor.end):
                    if entry.number == 1 and entry.kind == _VARINT:
                        dtype = _DTYPES.get(entry.value, f"of ONNX's type {entry.value}")
                    elif entry.number == 2 and entry.kind == _BYTES:
                        shape = tuple(self._dimension(dimension) for dimension in self._messages(entry, 1))
        return Tensor(name, dtype, shape)

    def _dimension(self, message: _Field) -> int | None:
        values = [f.value for f in self._each(message.start, message.end) if f.number == 1 and f.kind == _VARINT]
        return values[-1] if values and values[-1] < 2**63 else None

    def _messages(self, message: _Field, number: int) -> Iterator[_Field]:
        for entry in self._each(message.start, message.end):
            if entry.number == number and entry.kind == _BYTES:
                yield entry

    def _bytes(self, entry: _Field) -> bytes:
        self._file.seek(entry.start)
        return self._file.read(entry.end - entry.start)

    def _each(self, start: int, end: int) -> Iterator[_Field]:
        """The fields between two places of the file; the reader may seek elsewhere between them."""
        while start < end:
            self._fields += 1
            if self._fields > _MOST_FIELDS:
                raise ValueError("it has millions of parts")
            self._file.seek(start)
            tag = self._varint()
            number, kind, value = tag >> 3, tag & 7, 0
            lengths = {_VARINT: 0, _FIXED64: 8, _FIXED32: 4}
            if kind == _VARINT:
                value = self._varint()
            length = self._varint() if kind == _BYTES else lengths.get(kind)
            if length is None or number == 0:
                raise ValueError("a field of no known kind")
            begin = self._file.tell()
            start = begin + length
            if start > end:
                raise ValueError("the file ends within a field")
            yield _Field(number, kind, value, begin, start)

    def _varint(self) -> int:
        value = shift = 0
        while shift < 64 + 7:
            byte = self._file.read(1)
            if not byte:
                raise ValueError("the file ends within a number")
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return value & (2**64 - 1)
            shift += 7
        raise ValueError("a number of more than 64 bits")
