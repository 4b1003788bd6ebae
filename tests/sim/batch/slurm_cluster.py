"""A real Slurm of one node, started and stopped by the tests."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.sim.batch.daemons import end_by_pid_file, free_ports

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
CPUS = 6

# config_overrides: a machine of fewer processors may play a node of six. cred_expire: a requeued job
# waits until its credential has expired: two minutes if nothing, or less than five seconds, is said.
_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=2
MinJobAge=600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000
PartitionName=work Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""


def missing() -> str | None:
    """Why there can be no Slurm here; None where there can."""
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)} here (Debian: slurm-wlm and munge)"
    return None if os.geteuid() == 0 else "slurmd starts jobs as root only"


class SlurmCluster:
    """munged, slurmctld and slurmd with all their files in one folder of their own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # short: a socket's path has 107 bytes
        self.conf = self.folder / "slurm.conf"
        self.version = ""

    def start(self) -> None:
        folder = self.folder
        folder.chmod(0o755)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        ports = free_ports(2)
        self.conf.write_text(
            _CONF.format(host=host, folder=folder, cpus=CPUS, controller_port=ports[0], node_port=ports[1])
        )
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        files = ("key-file=munge.key", "socket=munge.sock", "pid-file=munged.pid", "log-file=munged.log")
        options = [f"--{name}={folder}/{file}" for name, file in (each.split("=") for each in files)]
        self._run("munged", "--force", *options, f"--seed-file={folder}/munged.seed")
        self._run("slurmctld", "-f", str(self.conf))
        self._run("slurmd", "-f", str(self.conf))
        self.version = self.output("sbatch", "--version").strip()
        self.wait(lambda: self.output("sinfo", "--noheader", "--format=%T", "--partition=work").strip() == "idle", 30)

    def stop(self) -> None:
        """Ends every job and every daemon, also after a start that failed."""
        if (self.folder / "slurmctld.pid").exists():
            subprocess.run(["scancel", "--full", "--user=root"], env=self.environ(), check=False, timeout=30)
            limit = time.monotonic() + 10
            while self._queue("--noheader").strip() and time.monotonic() < limit:
                time.sleep(0.1)
        end_by_pid_file(self.folder / "slurmd.pid", signal.SIGTERM)
        end_by_pid_file(
            self.folder / "slurmctld.pid", signal.SIGKILL
        )  # it would take seconds to save what nobody needs
        end_by_pid_file(self.folder / "munged.pid", signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environ(self) -> dict[str, str]:
        return dict(os.environ, SLURM_CONF=str(self.conf))

    def output(self, *argv: str) -> str:
        return subprocess.run(argv, env=self.environ(), capture_output=True, text=True, check=True, timeout=60).stdout

    def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Until `condition` holds; the last lines of the logs where it does not."""
        limit = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > limit:
                raise AssertionError(f"not within {seconds} s\n{self._logs()}")
            time.sleep(0.2)

    def _run(self, *argv: str) -> None:
        done = subprocess.run(argv, env=self.environ(), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{argv[0]}: {done.stderr}\n{self._logs()}"

    def _logs(self) -> str:
        tails = [log.read_text(errors="replace")[-1500:] for log in sorted(self.folder.glob("*.log"))]
        return "\n".join([self._queue("--states=all"), *tails])

    def _queue(self, option: str) -> str:
        return subprocess.run(
            ["squeue", "--array", option], env=self.environ(), capture_output=True, text=True, check=False, timeout=60
        ).stdout
