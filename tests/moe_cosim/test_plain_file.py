"""Files that strangers name are plain and bounded, or refused before anything waits for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from moe_cosim.plain_file import check_plain, most_unpacked, read_plain
from moe_cosim.yaml_file import read_yaml
from tests.sim.tiny import Tiny, refused


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_plain(path) == read_plain(path, 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_plain(path, 4)


@pytest.mark.parametrize("name", ["pipe", "folder", "link to a device"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    elif name == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    for read in (check_plain, read_plain):
        with pytest.raises(OSError, match=r"a pipe or a device|Is a directory"):
            read(path)


def test_a_small_file_may_be_a_quarter_of_a_gibibyte(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert most_unpacked(path) == 2**28
    os.truncate(path, 2**30)
    assert most_unpacked(path) == 64 * 2**30


FIELDS = {
    "model": "{source: generator, preset: mixtral-8x7b}",
    "routing": "{source: trace, file: ./pipe.json}",
    "losses": "{source: generator, preset: mixtral-8x7b}\nquantization: {losses: ./pipe.json, average_bits: 3}",
    "software": "{source: generator, preset: mixtral-8x7b}\nsoftware: ./pipe.yaml",
}


@pytest.mark.parametrize(("field", "routing"), FIELDS.items(), ids=FIELDS)
def test_an_experiment_that_names_a_pipe_is_refused(tiny: Tiny, field: str, routing: str) -> None:
    for ending in ("json", "yaml"):
        os.mkfifo(tiny.folder / f"pipe.{ending}")
    changes = [("{source: generator, preset: mixtral-8x7b}", routing)]
    tiny.write(*changes, *([("./model.json", "./pipe.json")] if field == "model" else []))
    assert "pipe." in refused(tiny)


def test_a_yaml_file_has_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: " + "x" * 2**22, encoding="utf-8")
    with pytest.raises(Exception, match=r"a\.yaml: file: found more than 4,194,304 bytes"):
        read_yaml(path)


def test_utf_16_is_called_so_and_a_mark_before_json_is_none(tiny: Tiny) -> None:
    tiny.path.write_bytes("name: x".encode("utf-16"))
    assert "file: found UTF-16; allowed: a readable UTF-8 YAML file" in refused(tiny)
    model = json.loads((tiny.folder / "model.json").read_text(encoding="utf-8"))
    (tiny.folder / "model.json").write_text("\ufeff" + json.dumps(model | {"num_experts_per_tok": 0}), encoding="utf-8")
    tiny.write()
    assert "num_experts_per_tok" in refused(tiny)
