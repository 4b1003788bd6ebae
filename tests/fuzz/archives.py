"""Changes of archives of arrays: members, headers, and what is in the arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.fuzz.damage import damaged, flipped

Members = dict[str, bytes]

_SHAPES: Final = (f"({2**62},)", f"({2**31}, {2**31})", "(-1,)", "(0,)", "()", "(1, 0, 5)", "(((", f"({2**28},)", "'x'")
_KINDS: Final = ("<i8", "|O8", "<f2", ">u4", "<U10", "[('a', '<i4')]", "<c16", "|V0", "<M8[ns]", "|b1", "x")
_EXTREMES: Final = (0, 1, 255, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1, -1, -(2**63))
_WRONG_TYPES: Final = ("f4", "f8", "i1", "i8", "u8", "U8", "S4", "?", "O", "c8")


def packed(members: Mapping[str, bytes], deflated: bool = True) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def unpacked(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npz_file(random: Random, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A ``.npz`` of `arrays` with something wrong in an array, in a member, or in the bytes."""
    chosen = dict(arrays)
    kind = random.randrange(4)
    if kind < 2 and chosen:
        for _ in range(random.choice((1, 1, 2))):
            name = random.choice(list(chosen))
            chosen[name] = array(random, chosen[name])
    members = {f"{name}.npy": npy(each) for name, each in chosen.items()}
    if kind == 2:
        members = changed(random, members)
    data = packed(members, random.random() < 0.5)
    return damaged(random, data) if kind == 3 else data


def npy(each: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(each), allow_pickle=True)
    return file.getvalue()


def array(random: Random, each: NDArray[Any]) -> NDArray[Any]:
    """With other numbers, another type or another shape."""
    each = np.array(each)
    kind = random.randrange(8)
    if kind < 3 and each.size and each.dtype.kind in "iuf":
        flat = each.reshape(-1)
        for _ in range(random.choice((1, 1, 3))):
            flat[random.randrange(flat.size)] = _number(random, each.dtype)
        return each
    if kind == 3:
        with np.errstate(all="ignore"):
            return each.astype(random.choice(_WRONG_TYPES)) if each.dtype.kind in "iufb" else np.zeros(3)
    if kind == 4:
        return each[..., np.newaxis] if random.random() < 0.5 else each.reshape(-1)
    if kind == 5 and each.ndim:
        return each[: random.randrange(len(each) + 1)]
    if kind == 6 and each.ndim:
        return np.concatenate([each, each])
    return np.zeros(random.choice(((), (0,), (0, 5), (1, 1, 1, 1), (3,))), each.dtype)


def changed(random: Random, members: Members) -> Members:
    """With a member left out, renamed, added, damaged, or with a header that lies."""
    found = dict(members)
    name = random.choice(list(found))
    kind = random.randrange(7)
    if kind == 0:
        del found[name]
    elif kind == 1:
        found[random.choice(("x.npy", "../PWNED", "/PWNED", " ", "a" * 300, name + "x"))] = found.pop(name)
    elif kind == 2:
        found[name] = header(random) + b"\0" * random.choice((0, 8, 4096))
    elif kind == 3:
        found[name] = random.choice((b"", b"hello", b"\x93NUMPY", b"\x80\x04.", b"{}"))
    elif kind == 4:
        found[name] = header(random, f"({2**27},)") + b"\0" * 2**20
    elif kind == 5:
        found[name] = flipped(random, found[name])
    else:
        found |= {f"more{number}": b"" for number in range(random.choice((1, 2_000)))}
    return found


def header(random: Random, shape: str | None = None) -> bytes:
    text = (
        f"{{'descr': '{random.choice(_KINDS)}', 'fortran_order': False, 'shape': {shape or random.choice(_SHAPES)}, }}"
    )
    text = text + " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _number(random: Random, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return random.choice((0.0, -1.0, np.nan, np.inf, -np.inf, 1e30, 1e-30))
    limits = np.iinfo(dtype)
    return min(max(random.choice(_EXTREMES), limits.min), limits.max)
