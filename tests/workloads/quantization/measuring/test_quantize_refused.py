"""What ``moe-cosim quantize`` refuses before it needs torch: one line, exit code 2, nothing written."""

from pathlib import Path

import pytest

from tests.sim.tiny import cli


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--bits", "two", "--quick"), "--bits: found 'two'; allowed: whole numbers separated by commas"),
        (("--bits", "5", "--quick"), "bits: found 5; allowed: 1, 2, 3, 4, 8 for rtn"),
        (("--bits", "", "--quick"), "--bits: found ''"),
        (("--quick", "--calibration", "text"), "--calibration, --quick: found both; allowed: a file"),
        ((), "--calibration, --quick: found neither"),
        (("--calibration", "t", "--method", "gtpq"), "method: found 'gtpq'; allowed: one of"),
        (("--calibration", "t", "--group-size", "48"), "group_size: found 48; allowed: one of 32, 64, 128"),
        (("--calibration", "t", "--tokens", "100"), "--tokens: found 100; allowed: at least 512"),
        (("--calibration", "t", "--delta-tokens", "9000"), "--delta-tokens: found 9000; allowed: 0 to 8192"),
        (("--calibration", "t", "--sequence-tokens", "1"), "--sequence-tokens: found 1; allowed: at least 2"),
        (("--quick", "-o", "losses.csv"), "--out: found 'losses.csv'; allowed: a name that ends in .npz"),
        (("--quick", "-o", "no/such/l.npz"), "--out: found no/such/l.npz, in no folder that can be written"),
        (("--quick",), "config.json: file: found nothing there"),
    ],
)
def test_one_line_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    found = cli("quantize", "model", "-o", "losses.npz", *options)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert line in found.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["model"]
