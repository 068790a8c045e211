"""Changes of valid files: of their bytes, and of what they hold."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import TensorProto, helper

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NUMBERS = (0, 1, -1, 2, 7, 255, 65536, 10**6, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**63))
TEXTS = (
    *("", " ", "\x00", "\n", "-", "a\nb", "a" * 5000, "é☃🙂", "\ud800", "\ufeff", "\u202e", "٣", "²", "1e999"),
    *("\x1b[31mred\x1b[0m", "[/]", "[b]x", "[[", "<script>x</script>", '"><img onerror=x>', "{0}", "{{7*7}}", "%s%n"),
    *("../../etc/passwd", "/etc/passwd", "$(id)", "$x_1$", "2026-01-02", "0001-01-01T00:00:00+14:00", "int8", "nan"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (None, True, 0.5, -0.0, 1e308, 5e-324, 10**400, [], {}, [[]], [None], [0.0] * 1000, {"": {}})
RAW = ("1e999", "-1e999", "NaN", "9" * 5000, "[" * 100_000, "[" * 900 + "]" * 900)
"""Stand in a JSON file as they are."""
PLACES = ("/etc/passwd", "../../etc/passwd", "model.onnx", "", "/dev/zero", "/proc/self/mem", ".", "a" * 5000)
"""Where a tensor's numbers are said to lie."""
WORDS = ("frame", "mask", "Loop", "Reshape", "Resize", "ConstantOfShape", "Custom", "com.microsoft")
"""Names in a model, of tensors, operators and domains."""
BEGINNINGS = (
    *(b"", b"GIF89a", b"BM", b"II*\0", b"v/1\x01", b"\xff\xd8\xff\xe0", b"RIFF\xff\xff\xff\x7fWEBPVP8 "),
    *(b"P6\n9999999 9999999\n255\n", b"P5\n-1 -1\n255\n", b"\0\0\0\x18ftypavif"),
    b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 99999 +X 99999\n",
)  # fmt: skip
"""Of pictures."""
BOXES = re.compile(rb"moov|trak|mdhd|mvhd|st(?:sz|co|sc|ts|sd)|ctts|elst|tfhd|trun|avcC|tkhd|idx1|strh|avih")
"""Of a video."""


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bits, bytes or stretches changed, left out, doubled, or the end cut off; the beginning more often."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(out) + 1) if rng.random() < 0.65 else rng.randrange(min(200, len(out)) + 1)
        end = at + rng.randrange(1, 64)
        match rng.randrange(7):
            case 0:
                out[at : at + 1] = bytes(byte ^ 1 << rng.randrange(8) for byte in out[at : at + 1])
            case 1:
                size = rng.choice((1, 2, 4, 8))
                edge = rng.choice(EDGES) % (1 << 8 * size)
                out[at : at + size] = edge.to_bytes(size, rng.choice(("big", "little")))
            case 2:
                del out[at:]
            case 3:
                del out[at:end]
            case 4:
                out[at:at] = rng.choice((rng.randbytes(end - at), bytes(out[at:end])))
            case 5:
                out[at:end] = bytes(len(out[at:end]))
            case _:
                out[at:end] = rng.randbytes(len(out[at:end]))
    return bytes(out)


def changed_json(rng: random.Random, data: bytes) -> bytes:
    """JSON (a value on each line, where there are several) with one to three values changed."""
    if rng.random() < 0.15:
        return changed_bytes(rng, data)
    if data.count(b"\n") > 1 and data.startswith(b"{") and data[: data.index(b"\n")].endswith(b"}"):
        lines = data.splitlines(keepends=True)
        index = rng.randrange(len(lines))
        lines[index] = changed_json(rng, lines[index].rstrip()) + b"\n"
        return b"".join(lines)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # it was changed before
        return changed_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change_inside(rng, value)
    text = json.dumps(value)
    for index, raw in enumerate(RAW):
        text = text.replace(f'"@raw{index}"', raw)
    return text.encode("utf-8", "surrogatepass")


def _odd_value(rng: random.Random) -> Any:
    odd = rng.choice((*VALUES, *rng.sample(NUMBERS, 3), *rng.sample(TEXTS, 3), f"@raw{rng.randrange(len(RAW))}"))
    return copy.deepcopy(odd)  # it may be changed next


def _change_inside(rng: random.Random, value: Any) -> None:
    """One change in a JSON value, in place; those near the root are as likely as those in long lists."""
    places = list(_places(value))
    if not places:
        return
    depth = rng.choice([depth for _, _, depth in places])
    parent, key, _ = rng.choice([place for place in places if place[2] == min(depth, rng.randrange(1, 6))] or places)
    match rng.randrange(6):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(TEXTS)] = parent.pop(key)
        case 1:
            parent.insert(key, _odd_value(rng))
        case 2 if isinstance(parent[key], int | float):
            parent[key] = rng.choice((-parent[key], parent[key] * 2, str(parent[key]), [parent[key]]))
        case 2 if isinstance(parent[key], list):
            parent[key] = rng.choice((parent[key] * 2, parent[key][::2], parent[key][::-1]))
        case 3:
            other, name, _ = rng.choice(places)
            parent[key] = copy.deepcopy(other[name])
        case _:
            parent[key] = _odd_value(rng)


def _places(value: Any, depth: int = 1) -> Iterator[tuple[Any, Any, int]]:
    """(container, key, depth) of every value inside, of long lists a dozen."""
    items: Any = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))[:: max(1, len(value) // 12)]
    for key, inner in items:
        yield value, key, depth
        yield from _places(inner, depth + 1)


def changed_zip(rng: random.Random, data: bytes) -> bytes:
    """A checkpoint with an entry changed, left out, empty, or under another name."""
    if rng.random() < 0.4:
        return changed_bytes(rng, data)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        names = source.namelist()
        victim = rng.choice([*names, *(name for name in names if name.endswith(".pkl"))])
        for name in names:
            body = source.read(name)
            how = rng.randrange(5) if name == victim else -1
            if how > 0:
                body = (changed_bytes(rng, body), b"", b"cos\nsystem\n(S'true'\ntR.", body)[how - 1]
            if how:
                target.writestr(rng.choice(("../evil", name + "x")) if how == 4 else name, body)
    return out.getvalue()


def changed_onnx(rng: random.Random, data: bytes) -> bytes:
    """A model with its bytes, its spec, or a few fields of its graph changed."""
    if rng.random() < 0.3:
        return changed_bytes(rng, data)
    model = onnx.ModelProto.FromString(data)
    graph = model.graph
    for _ in range(rng.choice((1, 1, 2))):
        match rng.randrange(8):
            case 0 | 1 if model.metadata_props:
                text = changed_json(rng, model.metadata_props[0].value.encode())
                model.metadata_props[0].value = text.decode("utf-8", "replace")
            case 2 if graph.initializer:
                tensor = rng.choice(graph.initializer)
                tensor.ClearField("raw_data")
                tensor.data_location = TensorProto.EXTERNAL
                facts = {"location": rng.choice(PLACES), "offset": rng.choice(NUMBERS), "length": rng.choice(NUMBERS)}
                entries = (onnx.StringStringEntryProto(key=key, value=str(fact)) for key, fact in facts.items())
                tensor.external_data.extend(entries)
            case 3:  # a tensor of a huge shape in the way
                sides = [rng.choice((1, 10**5, 10**7)), rng.choice((1, 10**5))]
                graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], sides))
                graph.node.insert(0, helper.make_node("ConstantOfShape", ["shape"], ["huge"]))
                graph.node.append(helper.make_node("ReduceSum", ["huge"], ["sum"]))
            case _:
                _change_message(rng, model)
    return bytes(model.SerializeToString())


def _change_message(rng: random.Random, message: Any) -> None:
    """One field of a protobuf message, or of one inside it, changed, doubled or left out."""
    field, value = rng.choice(message.ListFields() or [(None, None)])
    if field is None:
        return
    if field.message_type and rng.random() < 0.85:
        _change_message(rng, rng.choice(list(value)) if field.is_repeated else value)
        return
    if field.is_repeated and rng.random() < 0.5:
        index = rng.randrange(len(value))
        if rng.random() < 0.5:
            value.append(value[index])
        else:
            del value[index]
        return
    old = value[0] if field.is_repeated else value
    new: Any = None
    if isinstance(old, bytes):
        new = changed_bytes(rng, old)
    elif isinstance(old, str):
        new = rng.choice((*WORDS, *TEXTS)).encode("utf-8", "replace").decode()
    elif isinstance(old, int):
        new = rng.choice(NUMBERS)
    elif isinstance(old, float):
        new = rng.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
    try:
        if new is None:
            message.ClearField(field.name)
        elif field.is_repeated:
            value[rng.randrange(len(value))] = new
        else:
            setattr(message, field.name, new)
    except ValueError:  # out of the field's range
        message.ClearField(field.name)


def changed_picture(rng: random.Random, data: bytes) -> bytes:
    """A picture with changed bytes, one that claims a size it has not, or the beginning of one."""
    match rng.randrange(5):
        case 0:
            return _png(rng, rng.choice((1, 2, 48, 1000, 65535, 2**31 - 1)), rng.choice((1, 48, 30000, 2**31 - 1)))
        case 1:
            return rng.choice(BEGINNINGS) + rng.randbytes(60)
    return changed_bytes(rng, data)


def _png(rng: random.Random, width: int, height: int) -> bytes:
    """A PNG of any claim, with right checksums."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    depth, color = rng.choice((1, 8, 8, 16)), rng.choice((0, 2, 3, 4, 6))
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, rng.choice((0, 0, 0, 1)))
    rows = zlib.compress(rng.randbytes(min(height, 48) * (1 + 8 * min(width, 64))))
    palette = chunk(b"PLTE", rng.randbytes(3 * rng.choice((1, 2, 256)))) if color == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def changed_clip(rng: random.Random, data: bytes) -> bytes:
    """A video with changed bytes, or a number behind the name of one of its boxes."""
    boxes = [found.start() for found in BOXES.finditer(data)]
    if not boxes or rng.random() < 0.5:
        return changed_bytes(rng, data)
    out = bytearray(data)
    at = rng.choice(boxes) + rng.choice((-4, 4, 8, 12, 16, 20, 24))
    out[at : at + 4] = rng.choice((*EDGES, len(out), 8, 16)).to_bytes(4, "big")
    return bytes(out)


def changed_text(rng: random.Random, data: bytes) -> bytes:
    """A text with changed bytes, other numbers, or an odd line."""
    match rng.randrange(3):
        case 0:
            return changed_bytes(rng, data)
        case 1:
            number = rng.choice(("9" * 5000, "²", "٣", "-1", "nan", "1e999", "")).encode()
            return re.sub(rb"\d+", lambda found: rng.choice((found[0], number)), data)
    return data + rng.choice(TEXTS).encode("utf-8", "surrogatepass") + b" 0 0 x\n" + data
