"""Scripts run by a shell, with names that mean something to it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moe_cosim.escape import shell
from moe_cosim.sim.batch.base import Job, schedulers, site_class
from moe_cosim.sim.batch.script import CHECK, points_script
from moe_cosim.sim.batch.site import site_of
from moe_cosim.sim.batch.submit import job_name

INDEX = {
    "slurm": "SLURM_ARRAY_TASK_ID",
    "pbs": "PBS_ARRAY_INDEX",
    "lsf": "LSB_JOBINDEX",
    "flux": "FLUX_JOB_CC",
    "grid-engine": "SGE_TASK_ID",
}
PREFIX = {"slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB", "grid-engine": "#$"}
NAMES = [
    "a b",
    "it's",
    '"q"',
    "$(touch pwned)",
    "`touch pwned`",
    "a\nb",
    "\n",
    "a\r\n#SBATCH -n 9",
    "*",
    "~",
    "-n",
    "é",
    "\\",
]
# no NUL and no lone surrogates: neither can be in a path or a YAML text
texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(names=st.lists(texts, min_size=1, max_size=20))
@example(names=NAMES)
def test_any_text_survives_the_shell(names: list[str]) -> None:
    line = " ".join(shell(name) for name in names)
    shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == names
    assert "\n" not in line
    assert "\r" not in line


@pytest.mark.parametrize("scheduler", schedulers.names())
@pytest.mark.parametrize("name", NAMES)
def test_a_script_runs_in_any_folder(scheduler: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    (folder / "log").mkdir(parents=True)
    python = folder / "python $(touch pwned)"
    python.write_text('#!/bin/bash\nprintf "%s\\0" "$PWD" "$@" "$SAID" > said\necho done\n')
    python.chmod(0o755)
    tree = {
        "scheduler": scheduler,
        "python": str(python),
        "environment": {"SAID": name},
        "lines": ["true # a comment"],
    }
    made = schedulers.get(scheduler)(site_of(tree, "test", site_class))
    text = points_script(made, Job("moe-x", "points.sh", elements=3, time_s=600), folder)
    script = tmp_path / "spooled"
    script.write_text(text)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), INDEX[scheduler]: "2"}
    subprocess.run(["bash", str(script)], cwd="/", env=environ, check=True)
    shown = (folder / "said").read_bytes().decode().split("\0")[:-1]
    assert (*shown[:2], *shown[4:]) == (str(folder), CHECK, "sweep", "element", ".", "2", name)
    assert (folder / "log" / "2.log").read_text() == "done\n"
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("scheduler", PREFIX)
def test_options_are_the_first_lines_and_nowhere_else(scheduler: str, tmp_path: Path) -> None:
    made = schedulers.get(scheduler)(site_of({"scheduler": scheduler, "modules": ["gcc/13"]}, "test", site_class))
    prefix = PREFIX[scheduler]
    job = Job("moe-x", "points.sh", elements=3, time_s=600)
    first, *lines = points_script(made, job, tmp_path / f"a\n{prefix} --array=1-99").splitlines()
    assert first == "#!/bin/bash"
    options = made.options(job)
    assert lines[: len(options)] == [f"{prefix} {option}" for option in options]
    assert not any(line.startswith(prefix) for line in lines[len(options) :])
    assert "module load gcc/13 || exit 1" in lines


def test_job_names() -> None:
    for name in NAMES:
        made = job_name(name)
        assert shlex.quote(made) == made
        assert made.startswith("moe-")
    assert job_name("Fig. 7: bits") == "moe-Fig-7-bits"


def test_modules_come_before_all_else_and_must_load(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    tree = {"scheduler": "slurm", "python": "/bin/echo", "modules": ["gcc/13", "none"], "lines": ["echo not reached"]}
    made = schedulers.get("slurm")(site_of(tree, "test", site_class))
    text = points_script(made, Job("moe-x", "points.sh", elements=1), tmp_path)
    module = 'module() { echo "$@"; [ "$2" != none ]; }'
    environ = {"PATH": "/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(["bash", "-c", f"{module}\n{text}"], env=environ, check=False)
    assert done.returncode == 1
    assert (tmp_path / "log" / "1.log").read_text() == "load gcc/13\nload none\n"
