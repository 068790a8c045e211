"""An interpreter for the PTX of this project's kernels: runs them without a GPU.

It knows the instructions of these kernels and refuses any other ("Parallel Thread Execution ISA", NVIDIA). All threads
of a launch run at once in NumPy, those with the lowest program counter first, so that they meet again after a branch;
warps, shared memory and barriers are not modelled. Each access must be aligned and lie in a buffer of `Memory`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeunet.runtime.gpu.kernels import Kernel

Array = NDArray[Any]
Index = NDArray[np.int64]

_TYPES: dict[str, type[np.generic]] = {
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "s32": np.int32,
    "s64": np.int64,
    "b32": np.uint32,
    "b64": np.uint64,
    "f32": np.float32,
    "pred": np.bool_,
}
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_WIDER = {"s32": "s64", "u32": "u64"}
_COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
}
_ALL = (1 << 64) - 1


class Memory:
    """Device memory: buffers with gaps between them, and no access outside them."""

    BASE, GAP = 1 << 32, 256

    def __init__(self) -> None:
        self._bytes, self._inside = np.zeros(0, np.uint8), np.zeros(0, bool)

    def put(self, array: Array) -> int:
        """Copy an array in, and give its address."""
        raw = np.ascontiguousarray(array).view(np.uint8).ravel()
        gap = self.GAP + -self._bytes.size % self.GAP
        address = self.BASE + self._bytes.size + gap
        self._bytes = np.concatenate([self._bytes, np.zeros(gap, np.uint8), raw, np.zeros(self.GAP, np.uint8)])
        self._inside = np.concatenate(
            [self._inside, np.zeros(gap, bool), np.ones(raw.size, bool), np.zeros(self.GAP, bool)]
        )
        return address

    def get(self, address: int, like: Array) -> Array:
        """What lies at an address, as an array of this shape and dtype."""
        start = address - self.BASE
        found: Array = self._bytes[start : start + like.nbytes].view(like.dtype).reshape(like.shape).copy()
        return found

    def load(self, addresses: Index, kind: str) -> Array:
        """[threads]: one value of each address."""
        return self._bytes[self._at(addresses, kind)].view(_TYPES[kind]).ravel()

    def store(self, addresses: Index, values: Array, kind: str) -> None:
        index = self._at(addresses, kind)
        self._bytes[index] = values.view(np.uint8).reshape(index.shape)

    def _at(self, addresses: Index, kind: str) -> Index:
        """[threads, bytes of a value]: where they lie. Raises IndexError."""
        size = np.dtype(_TYPES[kind]).itemsize
        index = (addresses - self.BASE)[:, None] + np.arange(size)
        if (index[:, 0] % size).any():
            raise IndexError("an address that is not aligned")
        if index.min() < 0 or index.max() >= self._inside.size or not self._inside[index].all():
            raise IndexError("an address outside every buffer")
        return index


class _Instruction(NamedTuple):
    """predicate: register that decides, "" for none; negated: it must be false. operation: "ld", "param", "u64"."""

    predicate: str
    negated: bool
    operation: tuple[str, ...]
    operands: tuple[str, ...]


class Program:
    """The .entry of one kernel in a PTX text. Raises ValueError for a line of an unknown form."""

    def __init__(self, text: str, kernel: Kernel) -> None:
        entry = re.search(rf"\.entry {kernel.name}\b([^{{]*){{(.*?)\n}}", text, re.DOTALL)
        if entry is None:
            raise ValueError(f"the PTX has no kernel {kernel.name}")
        self.kernel = kernel
        self.parameters: list[str] = re.findall(r"\.param [^,)]*?(\w+)\s*[,)]", entry[1])
        self.code: list[_Instruction] = []
        self.labels: dict[str, int] = {}
        for line in map(str.strip, re.sub(r"//.*", "", entry[2]).splitlines()):
            if label := re.fullmatch(r"(\$\w+):", line):
                self.labels[label[1]] = len(self.code)
            elif line and not line.startswith("."):
                found = re.fullmatch(r"(?:@(!?)(%\w+)\s+)?([\w.]+)\s*(.*);", line)
                if found is None:
                    raise ValueError(f"a line of an unknown form: {line}")
                operands = tuple(word.strip() for word in found[4].split(",")) if found[4] else ()
                operation = tuple(found[3].split("."))
                self.code.append(_Instruction(found[2] or "", bool(found[1]), operation, operands))

    def run(self, width: int, height: int, arguments: Sequence[int], memory: Memory) -> None:
        """Launch it over width × height pixels, with addresses of `memory`, which is changed.

        Raises NotImplementedError for an instruction that is not known here, IndexError for an access outside a buffer.
        """
        with np.errstate(over="ignore"):
            _Launch(self, self.kernel.grid(width, height), arguments, memory).run()


class _Launch:
    """The threads of one launch. A register holds 64 bits of each thread."""

    def __init__(self, program: Program, grid: tuple[int, int, int], arguments: Sequence[int], memory: Memory) -> None:
        self._program, self._memory = program, memory
        self._given = dict(zip(program.parameters, arguments, strict=True))
        x, y, _ = program.kernel.block
        self._threads = x * y * grid[0] * grid[1]
        block, thread = np.divmod(np.arange(self._threads), x * y)
        self._registers: dict[str, Array] = {
            "%tid.x": thread % x,
            "%tid.y": thread // x,
            "%ctaid.x": block % grid[0],
            "%ctaid.y": block // grid[0],
            "%ntid.x": np.full(self._threads, x),
            "%ntid.y": np.full(self._threads, y),
        }
        self._counter = np.zeros(self._threads, np.int64)

    def run(self) -> None:
        code = self._program.code
        while (now := int(self._counter.min())) < len(code):
            who = np.nonzero(self._counter == now)[0]
            self._counter[who] = now + 1
            if code[now].predicate:
                who = who[self._read(code[now].predicate, "pred", who) != code[now].negated]
            if who.size:
                self._step(code[now], who)

    def _step(self, instruction: _Instruction, who: Index) -> None:
        """One instruction in the threads `who`."""
        operation, words = instruction.operation, instruction.operands

        def value(number: int, kind: str) -> Array:
            return self._read(words[number], kind, who)

        result: Array
        match operation:
            case ("bra", *_):
                self._counter[who] = self._program.labels[words[0]]
                return
            case ("ret",):
                self._counter[who] = len(self._program.code)
                return
            case ("st", "global", kind):
                self._memory.store(self._address(words[0], who), value(1, kind), kind)
                return
            case ("ld", "param", kind):
                result = _values(np.full(who.size, self._given[words[1].strip("[]")] & _ALL, np.uint64), kind)
            case ("ld", "global", kind) | ("ld", "global", "nc", kind):
                result = self._memory.load(self._address(words[1], who), kind)
            case ("mov", kind) | ("cvta", "to", "global", kind):
                result = value(1, kind)
            case ("cvt", kind, before):
                result = value(1, before)
            case ("mul", "wide", narrow):
                kind = _WIDER[narrow]
                result = value(1, narrow).astype(_TYPES[kind]) * value(2, narrow).astype(_TYPES[kind])
            case ("mul", "lo", kind):
                result = value(1, kind) * value(2, kind)
            case ("mad", "lo", kind):
                result = value(1, kind) * value(2, kind) + value(3, kind)
            case (("shl" | "shr") as name, kind):
                result = _BINARY[name](value(1, kind), value(2, "u32").astype(_TYPES[kind]))
            case ("not", kind):
                result = ~value(1, kind)
            case ("div", kind):
                above, below = value(1, kind), value(2, kind)
                if not below.all():
                    raise ZeroDivisionError(instruction)
                result = above // below if kind[0] == "u" else np.trunc(above / below)  # 32 bits: exact in float64
            case ("setp", comparison, before):
                kind, result = "pred", _COMPARE[comparison](value(1, before), value(2, before))
            case ("selp", kind):
                result = np.where(value(3, "pred"), value(1, kind), value(2, kind))
            case (name, kind) if name in _BINARY:
                result = _BINARY[name](value(1, kind), value(2, kind))
            case _:
                raise NotImplementedError(".".join(operation))
        register = self._registers.setdefault(words[0], np.zeros(self._threads, np.uint64))
        register[who] = _bits(result, kind)

    def _address(self, word: str, who: Index) -> Index:
        base, _, offset = word.strip("[]").partition("+")
        return self._read(base, "s64", who) + int(offset or 0)

    def _read(self, word: str, kind: str, who: Index) -> Array:
        """[threads]: a register or a number as values of this type."""
        if word.startswith("%"):
            return _values(self._registers[word][who], kind)
        number = int(word[2:], 16) if word.startswith("0f") else int(word)
        return _values(np.full(who.size, number & _ALL, np.uint64), kind)


def _bits(values: Array, kind: str) -> Array:
    """Values of a type as the 64 bits of a register."""
    typed = np.ascontiguousarray(values, _TYPES[kind])
    return typed.view(_UNSIGNED[typed.dtype.itemsize]).astype(np.uint64)


def _values(bits: Array, kind: str) -> Array:
    if kind == "pred":
        return np.asarray(bits != 0)
    return bits.astype(_UNSIGNED[np.dtype(_TYPES[kind]).itemsize]).view(_TYPES[kind])
