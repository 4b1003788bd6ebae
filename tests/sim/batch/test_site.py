"""The site file: what it may say, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.sim.batch.base import site_class
from moe_cosim.sim.batch.site import Site, hours_minutes_seconds, load_site, parse_time


def load(tmp_path: Path, text: str, scheduler: str | None = None) -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return load_site(path, scheduler, site_class)


def test_a_site_of_each_scheduler_speaks_its_words(tmp_path: Path) -> None:
    for scheduler, words in {
        "slurm": "partition: p\naccount: a\nqos: q\ncpus-per-task: 2\nntasks: 2\nmem: 4G\ntime: '04:00:00'",
        "pbs": "queue: q\naccount: a\nproject: p\nncpus: 2\nmem: 4gb\nplace: excl\nwalltime: 04:00:00",
        "lsf": "queue: q\nproject: p\nn: 2\nmemory: 4GB\nresources: ['rusage[mem=4GB]']\nrunlimit: '04:00:00'",
        "flux": "queue: q\nbank: b\ncores-per-task: 2\ntime-limit: '04:00:00'",
        "grid-engine": "queue: q\nproject: p\nslots: 2\npe: smp\nmem_free: 4G\nh_vmem: 2G\nh_rt: '04:00:00'",
    }.items():
        assert load(tmp_path, f"scheduler: {scheduler}\n{words}\n").limit_s == 4 * 3600


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("partition: x", "scheduler"),
        ("scheduler: condor", "scheduler"),
        ("scheduler: slurm\nqueue: x", "queue"),
        ("scheduler: pbs\npartition: x", "partition"),
        ("scheduler: slurm\npartition: 'a b'", "partition"),
        ('scheduler: slurm\npartition: "a\\nb"', "partition"),
        ("scheduler: slurm\naccount: $(id)", "account"),
        ("scheduler: slurm\ncpus-per-task: 0", "cpus-per-task"),
        ("scheduler: slurm\ntime: '10:30'", "time"),  # minutes and seconds, or hours and minutes?
        ("scheduler: slurm\ntime: '00:00:30'", "time"),
        ("scheduler: slurm\nmodules: [--help]", "modules"),
        ("scheduler: slurm\nenvironment: {A B: x}", "environment"),
        ("scheduler: slurm\nenvironment: {A: 1}", "environment"),
        ('scheduler: slurm\noptions: ["--a\\n--b"]', "options"),
        ("scheduler: slurm\nlines: ['']", "lines"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert caught.value.field.startswith(field)
    assert "\n" not in str(caught.value)


def test_the_command_line_and_the_file_must_agree(tmp_path: Path) -> None:
    assert load(tmp_path, "modules: [gcc]", "lsf").scheduler == "lsf"
    with pytest.raises(InputError, match="'lsf'"):
        load(tmp_path, "scheduler: slurm", "lsf")
    with pytest.raises(InputError, match="--site"):
        load_site(None, None, site_class)


@given(seconds=st.integers(60, 999 * 3600))
def test_a_time_reads_as_it_is_written(seconds: int) -> None:
    assert parse_time(hours_minutes_seconds(seconds), "test", "time") == seconds


def test_times() -> None:
    assert parse_time("90", "test", "time") == 5400
    assert parse_time("12:00:00", "test", "time") == 12 * 3600
    assert parse_time("2-01:00:00", "test", "time") == 49 * 3600
