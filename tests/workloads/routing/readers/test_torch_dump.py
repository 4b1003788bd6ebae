"""What ``torch.save`` wrote is read without torch, and cannot run code."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from moe_cosim import plain_file
from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import read_trace
from moe_cosim.workloads.routing.readers import read_recording
from moe_cosim.workloads.routing.readers.containers.torch_dump import read_torch_dump
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter
from tests.workloads.routing.readers.counts import counts_example
from tests.workloads.routing.readers.torch_files import torch_file
from tests.workloads.routing.traces import K


def test_it_is_read_without_torch(tmp_path: Path) -> None:
    counts = counts_example()
    path = torch_file(tmp_path / "dump.pt", {"rank": 0, "logical_count": counts})
    np.save(tmp_path / "same.npy", counts)
    found, expected = (read_recording(each, router=ModelRouter(K)) for each in (path, tmp_path / "same.npy"))
    np.testing.assert_array_equal(found.counts, expected.counts)


@pytest.mark.parametrize("kind", ["i8", "i4", "u1", "f4", "f2"])
def test_tensors_of_every_type_wherever_they_lie(tmp_path: Path, kind: str) -> None:
    array = np.arange(6).astype(kind).reshape(2, 3)
    path = torch_file(tmp_path / "dump.pt", [{"a": (array, "text")}, array])
    found = read_torch_dump(path, path)
    np.testing.assert_array_equal(found[0]["a"][0], array)
    np.testing.assert_array_equal(found[1], array)
    assert found[0]["a"][1] == "text"


def test_it_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "ran",))

    path = torch_file(tmp_path / "dump.pt", {"logical_count": Evil()})
    with pytest.raises(InputError, match="not plain data"):
        read_trace(path, top_k=K)
    assert not (tmp_path / "ran").exists()


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    counts = counts_example()
    for name, value, kind, message in (
        ("float.pt", counts.astype(np.float32), None, "logical_count: found float32"),
        ("complex.pt", counts, "ComplexFloatStorage", "ComplexFloatStorage, which is not plain data"),
        ("turned.pt", counts.T, None, "contiguous"),
    ):
        with pytest.raises(InputError, match=message):
            read_trace(torch_file(tmp_path / name, {"logical_count": value}, kind), top_k=K)


def test_a_storage_far_larger_than_the_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_file, "_MOST_PACKED", 2**20)
    path = torch_file(tmp_path / "dump.pt", {"logical_count": counts_example()})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dump/data.pkl", members["dump/data.pkl"])
        with archive.open("dump/data/0", "w") as file:
            file.write(bytes(2**23))
    with pytest.raises(InputError, match="far larger than the file"):
        read_trace(path, top_k=K)
