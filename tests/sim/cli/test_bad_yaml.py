"""Text that is no plain YAML, files that are no experiments, and wrong settings: one line, exit code 2."""

from __future__ import annotations

import pytest

from tests.sim.tiny import Tiny, cli, refused

_ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
TEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "found nothing"),
    "list": (b"[1, 2]", "found list"),
    "scalar": (b"hello", "found str"),
    "binary": (bytes(range(256)), "found bytes that are no UTF-8"),
    "Latin-1": ("name: café".encode("latin-1"), "found bytes that are no UTF-8"),
    "NUL": (b'name: "a\\0b"', r"name: found 'a\x00b'"),
    "python tag": (b"name: !!python/object/apply:os.system ['touch pwned']", "python/object/apply:os.system"),
    "python tag at the top": (b"!!python/object/apply:os.system ['touch pwned']", "python/object/apply:os.system"),
    "python name": (b"name: !!python/name:os.system", "python/name:os.system"),
    "duplicate key": (b"name: a\nname: b\n", "key 'name' twice"),
    "key that is a list": (b"? [1, 2]\n: 3\n", "a key that is a collection"),
    "key that is a number": (b"5: 5\n", "found 5; allowed: text keys"),
    "merge key": (b"name: a\n<<: {seed: 1}\n", "line 2: <<, which YAML 1.1 and YAML 1.2 read differently"),
    "billion laughs": (b"a0: &a0 [x, x]\n" + _ALIASES.encode(), "aliases of aliases"),
    "list in itself": (b"a: &a [*a]\n", "recursive"),
    "deep list": (b"a: " + 1500 * b"[", "allowed: plain YAML"),
    "NaN": (b"name: .nan", "name: found nan; allowed: a finite number"),
    "infinity": (b"workload: {batch: -.inf}", "workload.batch: found -inf"),
    "endless number": (b"seed: " + 5000 * b"9", "5000 digits"),
    "unclosed": (b"name: [a", "line 1"),
    "tabs": (b"name: a\n\tb: c", "line 2"),
}


@pytest.mark.parametrize(("text", "said"), TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_plain_yaml(tiny: Tiny, text: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.folder)
    tiny.path.write_bytes(text)
    line = refused(tiny)
    assert line.startswith(f"{tiny.path}: ")
    assert said in line


@pytest.mark.parametrize("place", ["nothing.yaml", ".", "", "a" * 5000, "monde-mixtral-8x7"])
def test_what_is_no_experiment(tiny: Tiny, place: str) -> None:
    found = cli("run", tiny.folder / place if place in ("nothing.yaml", ".") else place)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert "an experiment file, or one of " in found.stderr
    assert ("did you mean 'monde-mixtral-8x7b'?" in found.stderr) == (place == "monde-mixtral-8x7")


SETTINGS = {
    "batch": ("--set: path=value: found 'batch'", "such as workload.batch=4"),
    "=4": ("--set: path=value: found '=4'", "such as workload.batch=4"),
    "workload.bach=4": ("workload.bach: found an unknown field", "did you mean 'batch'?"),
    "name.x=4": ("name.x: found a path through a value", "a path through mappings"),
    "workload.batch.x.y=4": ("workload.batch.x.y: found a path through a value", "a path through mappings"),
    "workload.batch=[1, 2]": ("workload.batch: found [1, 2]", "a whole number"),
    "workload.batch={a: 1}": ("workload.batch: found {'a': 1}", "a whole number"),
    "workload.batch=[1,": ("--set workload.batch: file: found line 1", "plain YAML"),
    "workload.batch=1\nseed: 3": ("--set: workload.batch: found", "one value"),
    "workload.batch=!!python/name:os.system": ("--set workload.batch: file: found line 1", "plain YAML"),
    "workload.batch=.nan": ("--set workload.batch: value: found nan", "finite"),
    "workload={batch: 1}": ("workload.prompt_tokens: found nothing", "required"),
    "workload..batch=4": ("workload.: found an unknown field", "batch"),
    "machine.set.=4": ("machine.set: found ''", "names joined by dots"),
    "machine.set.devices.npd.count=4": ("machine.set.devices.npd: found 'npd'", "did you mean 'ndp'?"),
    "machine.set.devices.ndp.count=0": ("machine.set.devices.ndp.count: found 0", "at least 1"),
    "machine.set.devices.ndp.count=100000": ("machine.set.devices.ndp.count: found 100000", "at most 1024"),
    "machine.set.links.gpu-cxl.peak=64 GBps": ("machine.set.links.gpu-cxl.peak: found '64 GBps'", "'64 GB/s'"),
    "machine.set.links.gpu-cxl.peak=64": ("machine.set.links.gpu-cxl.peak: found 64", "a rate such as '64 GB/s'"),
    "machine.set.links.gpu-cxl.peak=0 GB/s": ("machine.set.links.gpu-cxl.peak: found '0 GB/s'", "more than zero"),
    "machine.set.links.gpu-cxl.peak.x=1": ("machine.set.links.gpu-cxl.peak.x: found an unknown field", "value"),
    "machine.set.links.gpu-cxl.latency=1e300 s": ("machine.set.links.gpu-cxl.latency: found '1e300 s'", "150 ns"),
    "machine.set.devices.ndp.memories.dram.peak=unlimited": (
        "machine.set.devices.ndp.memories.dram.peak: found unlimited",
        "a limit",
    ),
    "machine.set.devices.ndp.memories.dram.capacity=1e30 TB": (
        "machine.set.devices.ndp.memories.dram.capacity: found",
        "at most 1 PB",
    ),
    "machine.set.devices.ndp.memories.dram.channels=1000000000000000000000": (
        "machine.set.devices.ndp.memories.dram.channels: found",
        "at most 65536",
    ),
    "machine.set.devices=1": ("machine.set.devices: found 1", "a mapping of fields"),
    "machine=/nowhere.yaml": ("machine.use: found '/nowhere.yaml'", "an existing machine description"),
    f"machine={'a' * 5000}": ("machine.use: found 'aaa", "one of "),
    f"model={'a' * 5000}": ("model: found 'aaa", "one of "),
    "model=~nobody-of-that-name/config.json": ("file: found nothing there", "JSON file"),
    "routing.file=x": ("routing.file: found an unknown option", "domain, preset"),
}


@pytest.mark.parametrize(("text", "said"), SETTINGS.items(), ids=[text[:40] for text in SETTINGS])
def test_a_wrong_setting(tiny: Tiny, text: str, said: tuple[str, str]) -> None:
    line = refused(tiny, "--set", text)
    found, allowed = line.split("; allowed: ")
    assert said[0] in found
    assert said[1] in allowed
