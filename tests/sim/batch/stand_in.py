"""A small batch system that answers as PBS Pro, LSF or Flux would; run as ``stand_in.py PROGRAM ARGUMENTS``.

State lies in the folder STAND_IN: per job a folder with ``job.json`` and one file ``N`` per element whose text is
``STATE CODE``. Each job is served by a process of its own, which runs the elements one after the other.
What it holds programs to is what the real ones do: PBS starts in the home folder with hardly any environment and
refuses an array of one; LSF reads the script from its input; Flux formats ``{}`` in every argument.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STATE = Path(os.environ["STAND_IN"])
LETTERS = {"PEND": "Q", "RUN": "R", "DONE": "X", "EXIT": "X", "KILLED": "X", "LIMIT": "X"}
FLUX = {"PEND": "SCHED", "RUN": "RUN", "DONE": "COMPLETED", "EXIT": "FAILED", "KILLED": "CANCELED", "LIMIT": "TIMEOUT"}


def fail(text: str, status: int) -> None:
    sys.stderr.write(text + "\n")
    raise SystemExit(status)


def folder(job: str) -> Path:
    return STATE / job


def read(job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder(job) / "job.json").read_text())
    return found


def put(job: str, index: int, state: str, code: int = 0) -> None:
    aside = folder(job) / f".{index}.{os.getpid()}"
    aside.write_text(f"{state} {code}")
    aside.replace(folder(job) / str(index))


def state(job: str, index: int) -> tuple[str, int]:
    word, code = (folder(job) / str(index)).read_text().split()
    return word, int(code)


def over(job: str) -> bool:
    return all(state(job, index)[0] not in ("PEND", "RUN") for index in read(job)["indices"])


def new(**fields: Any) -> str:
    STATE.mkdir(exist_ok=True)
    job = str(100 + sum(entry.is_dir() for entry in STATE.iterdir()))
    folder(job).mkdir()
    (folder(job) / "job.json").write_text(json.dumps(fields))
    for index in fields["indices"]:
        put(job, index, "PEND")
    with (STATE / "server.log").open("a") as log:
        subprocess.Popen(
            [sys.executable, "-I", __file__, "serve", job],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return job


def directives(script: str, prefix: str) -> list[str]:
    words: list[str] = []
    for line in script.splitlines():
        if line.startswith(prefix + " "):
            words += shlex.split(line.removeprefix(prefix))
        elif prefix == "#PBS" and line and not line.startswith("#"):
            break  # PBS stops at the first command; LSF reads on
    return words


def options(words: list[str], legal: str) -> tuple[dict[str, list[str]], list[str]]:
    """Options of one letter (or ``-wt``, ``-wa``), with the values given to each; and what is left."""
    found: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        name = words[0].removeprefix("-")
        if name not in legal.split():
            fail(f"illegal option -- {name}", 2)
        flag = name == "r" and "wa" in legal
        found.setdefault(name, []).append("" if flag else words[1])
        words = words[1 if flag else 2 :]
    return found, words


def serve(job: str) -> None:
    """Run a job's elements, each when it is pending."""
    fields = read(job)
    while any(not over(other) for other in fields["after"]):
        time.sleep(0.05)
    for index in fields["indices"]:
        while (process := start(job, fields, index)) is not None:
            code = process.wait()
            code = 128 - code if code < 0 else code
            with locked(job):
                if state(job, index)[0] != "RUN":
                    break
                if code in fields["requeue"]:
                    put(job, index, "PEND")
                else:
                    put(job, index, "DONE" if code == 0 else "EXIT", code)


@contextlib.contextmanager
def locked(job: str) -> Iterator[None]:
    """An element is not started while it is being cancelled, and not cancelled before its process is known."""
    with (folder(job) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(job: str, fields: dict[str, Any], index: int) -> subprocess.Popen[bytes] | None:
    """Begin an element; None where it is not pending."""
    environ = dict(fields["environ"])
    for name, value in fields["variables"].items():
        environ[name] = value.replace("%I", str(index))
    argv = fields["argvs"][str(index)]
    with locked(job), open(os.devnull, "wb") as nothing:
        if state(job, index)[0] != "PEND":
            return None
        put(job, index, "RUN")
        process = subprocess.Popen(
            argv,
            cwd=fields["cwd"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )
        (folder(job) / f"pid{index}").write_text(str(process.pid))
    return process


def kill(job: str, number: int, indices: list[int]) -> None:
    for index in indices:
        with locked(job):
            word, _ = state(job, index)
            if number != signal.SIGUSR1 and word in ("PEND", "RUN"):
                put(job, index, "KILLED", 143)
            if word == "RUN":
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                    os.killpg(int((folder(job) / f"pid{index}").read_text()), number)


# PBS Pro


def qsub(words: list[str]) -> None:
    given, (script,) = options(words, "W")
    text = Path(script).read_text(errors="surrogateescape")
    asked, _ = options(directives(text, "#PBS"), "N J l r j o q A P")
    first, last = (int(part) for part in asked.get("J", ["1-1"])[0].split("-"))
    if "J" in asked and last <= first:
        fail("qsub: illegal -J value", 2)
    after = [re.sub(r"\D", "", each) for each in given.get("W", [""])[0].removeprefix("depend=afterany:").split(":")]
    spooled = STATE / f"spool-{time.monotonic_ns()}"
    STATE.mkdir(exist_ok=True)
    spooled.write_text(text, errors="surrogateescape")
    indices = list(range(first, last + 1))
    array = "J" in asked
    job = new(
        array=array,
        indices=indices,
        after=[each for each in after if each],
        requeue=[],
        cwd=os.environ["HOME"],
        environ={name: os.environ[name] for name in ("HOME", "PATH")} | {"STAND_IN": str(STATE)},
        variables={"PBS_O_WORKDIR": os.getcwd(), "PBS_JOBID": "1.pbs"} | ({"PBS_ARRAY_INDEX": "%I"} if array else {}),
        argvs={index: ["/bin/bash", str(spooled)] for index in indices},
    )
    print(f"{job}[].pbs" if array else f"{job}.pbs")


def qstat(words: list[str]) -> None:
    assert words[:3] == ["-x", "-t", "-f"]
    status = 0
    for name in words[3:]:
        job = re.sub(r"\D", "", name)
        if not folder(job).exists():
            sys.stderr.write(f"qstat: Unknown Job Id {name}\n")
            status = 153
            continue
        fields = read(job)
        if fields["array"]:
            print(f"Job Id: {job}[].pbs\n    Job_Name = x\n    job_state = B\n    array = True\n")
        for index in fields["indices"]:
            word, code = state(job, index)
            letter = LETTERS[word] if fields["array"] else LETTERS[word].replace("X", "F")
            print(f"Job Id: {job}[{index}].pbs" if fields["array"] else f"Job Id: {job}.pbs")
            print(f"    Job_Name = x\n    job_state = {letter}\n    Variable_List = PBS_O_HOME=/root,\n\tPBS_O_LANG=C")
            if letter in "XF":
                print(f"    Exit_status = {271 if word == 'KILLED' else -29 if word == 'LIMIT' else code}")
            print()
    raise SystemExit(status)


def qdel(words: list[str]) -> None:
    for name in words:
        job = re.sub(r"\D", "", name)
        if not folder(job).exists():
            fail(f"qdel: Unknown Job Id {name}", 170)
        if over(job):
            fail(f"qdel: Job has finished {name}", 35)
        kill(job, signal.SIGTERM, read(job)["indices"])


# LSF


def bsub(words: list[str]) -> None:
    given, rest = options(words, "w")
    assert not rest
    text = sys.stdin.buffer.read().decode(errors="surrogateescape")
    asked, _ = options(directives(text, "#BSUB"), "J n R r Q wa wt W q P M o")
    array = re.fullmatch(r"[\w-]+\[(\d+)-(\d+)\]", asked["J"][0])
    indices = list(range(int(array[1]), int(array[2]) + 1)) if array else [0]
    job = new(
        array=bool(array),
        indices=indices,
        after=re.findall(r"ended\((\d+)\)", given.get("w", [""])[0]),
        requeue=[int(code) for code in asked.get("Q", [""])[0].split()],
        cwd=os.getcwd(),
        environ=dict(os.environ),
        variables={"LSB_JOBINDEX": "%I", "LSB_JOBID": "1"},
        argvs={index: ["/bin/bash", "-c", text] for index in indices},
    )
    print(f"Job <{job}> is submitted to default queue <normal>.")


def bjobs(words: list[str]) -> None:
    assert words[:4] == ["-a", "-noheader", "-o", "jobindex stat exit_code exit_reason delimiter='|'"]
    for job in words[4:]:
        if not folder(job).exists():
            fail(f"Job <{job}> is not found", 255)
        for index in read(job)["indices"]:
            word, code = state(job, index)
            shown = f"{code}|-" if word == "EXIT" else "-|-"
            if word == "KILLED":
                shown = "143|TERM_OWNER: job killed by owner"
            if word == "LIMIT":
                shown = "140|TERM_RUNLIMIT: job killed after reaching LSF run time limit"
            print(f"{index}|{'EXIT' if word in ('KILLED', 'LIMIT') else word}|{shown}")


def bkill(words: list[str]) -> None:
    number = signal.SIGTERM
    if words[0] == "-s":
        number, words = signal.Signals[f"SIG{words[1]}"], words[2:]
    for job in words:
        if not folder(job).exists():
            fail(f"Job <{job}>: No matching job found", 255)
        if over(job):
            fail(f"Job <{job}>: Job has already finished", 255)
        kill(job, number, read(job)["indices"])


# Flux


def flux(words: list[str]) -> None:
    command, words = words[0], words[1:]
    {"submit": flux_submit, "jobs": flux_jobs, "cancel": flux_cancel}[command](words)


def flux_submit(words: list[str]) -> None:
    asked = []
    while words[0].startswith("--"):
        asked.append(words.pop(0))
    given = dict(each.removeprefix("--").split("=", 1) for each in asked if "dependency" not in each)
    legal = "job-name cc ntasks cores-per-task signal time-limit queue bank"
    for name in given:
        if name not in legal.split():
            fail(f"flux-submit: error: unrecognized arguments: --{name}", 2)
    first, last = (int(part) for part in given["cc"].split("-")) if "cc" in given else (0, 0)
    after = [each.split("afterany:")[1].removeprefix("ƒ") for each in asked if "dependency" in each]
    for index in range(first, last + 1):
        variables = {"FLUX_JOB_ID": "1"} | ({"FLUX_JOB_CC": str(index)} if "cc" in given else {})
        job = new(
            array=False,
            name=given["job-name"].format(cc=index),
            indices=[index],
            after=after,
            requeue=[],
            cwd=os.getcwd(),
            environ=dict(os.environ),
            variables=variables,
            argvs={index: [word.format(cc=index) for word in words]},
        )
        print(f"ƒ{job}")


def flux_jobs(words: list[str]) -> None:
    assert words[:2] == ["--no-header", "--format={name}|{status}"]
    status = 0
    for job in (word.removeprefix("ƒ") for word in words[2:]):
        if not folder(job).exists():
            sys.stderr.write(f"flux-jobs: ERROR: JobID ƒ{job} unknown\n")
            status = 1
            continue
        fields = read(job)
        print(f"{fields['name']}|{FLUX[state(job, fields['indices'][0])[0]]}")
    raise SystemExit(status)


def flux_cancel(words: list[str]) -> None:
    status = 0
    for job in (word.removeprefix("ƒ") for word in words):
        if not folder(job).exists():
            sys.stderr.write(f"flux-cancel: ERROR: ƒ{job}: unknown job id\n")
            status = 1
        elif over(job):
            sys.stderr.write(f"flux-cancel: ERROR: ƒ{job}: job is inactive\n")
            status = 1
        else:
            kill(job, signal.SIGTERM, read(job)["indices"])
    raise SystemExit(status)


if __name__ == "__main__":
    program, *arguments = sys.argv[1:]
    if program == "serve":
        serve(*arguments)
    else:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        {each.__name__: each for each in (qsub, qstat, qdel, bsub, bjobs, bkill, flux)}[program](arguments)
