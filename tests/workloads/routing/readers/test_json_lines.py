"""JSON lines in any order and spelling, packed or not; and what is wrong in them, by its line."""

from __future__ import annotations

import gzip
import importlib
import itertools
import json
import lzma
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import TokenTrace, read_trace
from moe_cosim.workloads.routing.readers import read_recording
from moe_cosim.workloads.routing.readers.containers import packed
from moe_cosim.workloads.routing.readers.formats.rows import json_lines
from moe_cosim.workloads.routing.recorded import row_index
from moe_cosim.workloads.routing.recorded.row_trace import RowTrace
from tests.workloads.routing.traces import LAYERS, example


def rows_of(trace: TokenTrace) -> list[dict]:
    document = trace.document_of_token()
    return [
        {
            "sequence": int(document[t]),
            "token": int(t - trace.offsets[document[t]]),
            "layer": layer + 1,
            "experts": trace.experts[t, layer].tolist(),
            "weights": trace.weights[t, layer].astype(float).tolist(),
        }
        for t in range(trace.tokens)
        for layer in range(trace.layers)
    ]


def json_lines_of(trace: TokenTrace) -> bytes:
    return "\n".join(map(json.dumps, rows_of(trace))).encode()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small file has many, and blocks are merged."""
    monkeypatch.setattr(json_lines, "_PIECE", 500)
    monkeypatch.setattr(row_index, "_PILE", 10)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", ["as they come", "reversed", "shuffled", "by layer"])
def test_lines_in_any_order(tmp_path: Path, order: str) -> None:
    trace = example((40, 3, 17))
    rows = rows_of(trace)
    if order == "by layer":
        rows.sort(key=lambda row: row["layer"])
    elif order == "reversed":
        rows = rows[::-1]
    elif order == "shuffled":
        rows = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    found = read_recording(path)
    assert isinstance(found, RowTrace)
    assert found.offsets.tolist() == trace.offsets.tolist()
    assert not found.num_experts_known
    whole = TokenTrace.of(found)
    np.testing.assert_array_equal(whole.experts, trace.experts)
    np.testing.assert_allclose(whole.weights, trace.weights, rtol=1e-6)
    asked = np.array([[59, 2, 2], [41, 0, 30]])
    experts, weights = found.take(asked)
    np.testing.assert_array_equal(experts, trace.experts[asked])
    assert weights is not None
    np.testing.assert_allclose(weights, trace.weights[asked], rtol=1e-6)


def test_memory_is_that_of_the_simulated_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it a few bytes a token of the file, not of every choice: 100 tokens are taken of 2,000 and of 8,000."""
    monkeypatch.setattr(json_lines, "_PIECE", 2**14)
    monkeypatch.setattr(row_index, "_PILE", 2**8)
    experts = json.dumps(list(range(40)))
    peaks = []
    for tokens in (100, 2000, 8000):  # the first time for what is compiled and imported
        path = tmp_path / str(tokens)
        with path.open("w") as file:
            file.writelines(
                f'{{"token": {token}, "layer": {layer}, "experts": {experts}}}\n'
                for token in range(tokens)
                for layer in range(4)
            )
        tracemalloc.start()
        found = read_recording(path)
        assert isinstance(found, RowTrace)
        found.take(np.arange(100))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 6000 * 80  # ids alone would be 320 bytes a token


SPACES = st.text(alphabet=" \t", max_size=2)
NUMBERS = st.one_of(
    st.integers(0, 10**20), st.floats(0, 1e30), st.sampled_from(["1e-7", "0.25", "1.5E+3", "12e22", "3e-25", "1E0"])
)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_compiled_parsing_is_python_s(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever the spacing, the order of keys and the way in which numbers are written."""
    k = data.draw(st.integers(1, 3))
    keys = data.draw(st.permutations(["layer", "token", "experts", "weights", "sequence"]))
    spaces = itertools.cycle(data.draw(st.lists(SPACES, min_size=1, max_size=7)))
    space = lambda: next(spaces)  # noqa: E731
    lines, expected = [], []
    for token in range(data.draw(st.integers(1, 6))):
        experts = data.draw(st.lists(st.integers(0, 65535), min_size=k, max_size=k, unique=True))
        weights = [str(data.draw(NUMBERS)) for _ in range(k)]
        values = {"layer": "3", "token": str(token), "sequence": "7", "experts": experts, "weights": weights}
        parts = []
        for key in keys:
            value = values[key]
            text = f"[{','.join(f'{space()}{each}{space()}' for each in value)}]" if isinstance(value, list) else value
            parts.append(f'{space()}"{key}"{space()}:{space()}{text}{space()}')
        lines.append(f"{space()}{{{','.join(parts)}}}{space()}")
        expected.append(json.loads(lines[-1]))
    path = tmp_path_factory.mktemp("lines") / "t"
    path.write_text("\n".join(lines))
    blocks = list(json_lines._Lines(path).blocks())
    found = {
        name: np.concatenate([getattr(block, name) for block in blocks])
        for name in ("line", "token", "sequence", "experts", "weights")
    }
    assert found["line"].tolist() == list(range(1, len(lines) + 1))
    assert found["token"].tolist() == [row["token"] for row in expected]
    assert set(found["sequence"].tolist()) == {7}
    assert found["experts"].tolist() == [row["experts"] for row in expected]
    np.testing.assert_allclose(found["weights"], np.array([row["weights"] for row in expected], float), rtol=1e-14)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda row: row | {"text": "a"}, "text: found an unknown key"),
        (
            lambda row: row | {"experts": [1, 2, 3]},
            "experts: found [1, 2, 3]; allowed: 2 experts, as on the lines",
        ),
        (lambda row: row | {"experts": [5, 5]}, "an expert twice"),
        (lambda row: row | {"token": 2**40}, f"token: found {2**40}"),
        (lambda row: row | {"weights": [1, -1]}, "weights: found [1, -1]"),
    ],
)
def test_the_line_is_named_wherever_it_is(tmp_path: Path, spoil: Callable[[dict], dict], said: str) -> None:
    rows = rows_of(example((90,)))
    rows[200] = spoil(rows[200])
    path = tmp_path / "t"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError) as refused:
        read_recording(path)
    assert "line 201" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.usefixtures("small_pieces")
def test_a_line_twice_or_missing_is_named(tmp_path: Path) -> None:
    rows = rows_of(example((90,)))
    path = tmp_path / "t"
    path.write_text("\n".join(map(json.dumps, [*rows, rows[7]])))
    with pytest.raises(InputError, match=f"line {len(rows) + 1}: found token 2 layer 2 twice"):
        read_recording(path)
    path.write_text("\n".join(map(json.dumps, rows[:100] + rows[101:])))
    with pytest.raises(InputError, match=f"token {100 // LAYERS} layer {100 % LAYERS + 1}: found nothing"):
        read_recording(path)


PACKED = {"gzip": gzip.compress, "xz": lzma.compress, "mark": lambda text: b"\xef\xbb\xbf" + text}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_packed_lines_are_known_by_content(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    trace = example((9,))
    (tmp_path / "any.name").write_bytes(pack(json_lines_of(trace)))
    np.testing.assert_array_equal(read_trace(tmp_path / "any.name").experts, trace.experts)


@pytest.mark.parametrize("name", ["gzip", "xz"])
def test_packed_lines_cut_off_are_refused(tmp_path: Path, name: str) -> None:
    whole = PACKED[name](json_lines_of(example((90,))))
    for content in (whole[:-40], whole[:60] + b"\xff" * 30 + whole[90:]):
        (tmp_path / "cut").write_bytes(content)
        with pytest.raises(InputError, match=f"cut: file: found {name} that ends early or is damaged"):
            read_trace(tmp_path / "cut")


def test_what_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_FREE", 2**20)
    bomb = b"\n" * 2**23
    (tmp_path / "bomb").write_bytes(lzma.compress(json_lines_of(example((1,))) + bomb, preset=0))
    with pytest.raises(InputError, match="far more than 2000 times its size"):
        read_trace(tmp_path / "bomb")


def test_zstd_needs_a_library(tmp_path: Path) -> None:
    trace = example((9,))
    library = "compression.zstd" if sys.version_info >= (3, 14) else "zstandard"
    try:
        compress = importlib.import_module(library).compress
    except ImportError:
        (tmp_path / "t").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
        with pytest.raises(InputError, match=r"packed by zstd.*moe-cosim\[traces\]"):
            read_trace(tmp_path / "t")
    else:
        (tmp_path / "t").write_bytes(compress(json_lines_of(trace)))
        np.testing.assert_array_equal(read_trace(tmp_path / "t").experts, trace.experts)
