"""NumPy files that are not what they say."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.array_archive import read_npy, read_npz


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def header(shape: str) -> bytes:
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}"
    text = text + " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


BROKEN = {
    "no array": b"hello",
    "a header that is no Python": header("((("),
    "a shape beyond memory": header(f"({2**62},)"),
    "a shape beyond all numbers": header(f"({2**62}, {2**62})"),
    "fewer bytes than its shape": header("(1000,)") + b"\0" * 8,
    "pickled": header("(1,)").replace(b"<i8", b"|O8"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = archive(tmp_path / "a.npz", {"a.npy": data})
    lone = tmp_path / "a.npy"
    lone.write_bytes(data)
    for read, file in ((read_npz, path), (read_npy, lone)):
        with pytest.raises(InputError, match="allowed: arrays") as caught:
            read(file, "arrays")
        assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_unread(tmp_path: Path) -> None:
    pieces = header(f"({2**28},)") + b"\0" * 2**20
    with pytest.raises(InputError, match="far larger than the file"):
        read_npz(archive(tmp_path / "a.npz", {"a.npy": pieces}), "arrays")


def test_damage_inside_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", {"a.npy": npy(np.arange(1000))})
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InputError):
        read_npz(path, "arrays")


def test_whole_files_are_read(tmp_path: Path) -> None:
    kept = {"a": np.arange(6).reshape(2, 3), "b": np.array("text"), "c": np.zeros((0, 4), np.float32)}
    np.savez_compressed(tmp_path / "a.npz", **kept)  # type: ignore[arg-type]
    found = read_npz(tmp_path / "a.npz", "arrays")
    assert found.keys() == kept.keys()
    assert all(np.array_equal(found[name], kept[name]) and found[name].dtype == kept[name].dtype for name in kept)
    assert read_npz(tmp_path / "a.npz", "arrays", ["b", "d"]).keys() == {"b"}
    np.save(tmp_path / "a.npy", kept["a"])
    assert np.array_equal(read_npy(tmp_path / "a.npy", "arrays"), kept["a"])
