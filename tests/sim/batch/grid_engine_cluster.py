"""A real Grid Engine of one host, started and stopped by the tests."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.sim.batch.daemons import end_by_pid_file, free_ports

_PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qstat", "qacct", "qdel", "qconf")
_INSTALLED = Path("/var/lib/gridengine")
_TOOLS = Path("/usr/lib/gridengine")
_DEFAULTS = Path("/usr/share/gridengine")
SLOTS = 6

_BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn true
spooling_method classic
spooling_lib libspoolc
spooling_params {common};{spool}
binary_path /usr/sbin
qmaster_spool_dir {spool}
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
# root may run jobs, which start without what its login shells would (a killed one may leave locks behind); accounts are
# written at once, and the scheduler looks every second
_CONFIGURATION = {
    "execd_spool_dir": "{folder}/execd",
    "min_uid": "0",
    "min_gid": "0",
    "login_shells": "none",
    "load_report_time": "00:00:01",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 accounting_flush_time=00:00:00",
}
_SCHEDULING = {
    "schedule_interval": "0:0:1",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "job_load_adjustments": "NONE",
}
_QUEUE = {
    "qname": "work",
    "hostlist": "{host}",
    "load_thresholds": "NONE",
    "qtype": "BATCH",
    "ckpt_list": "NONE",
    "pe_list": "smp",
    "slots": str(SLOTS),
}
_PE = """\
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


def missing() -> str | None:
    """Why there can be no Grid Engine here; None where there can."""
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent or not _INSTALLED.is_dir():
        return f"no {', '.join(absent)} here (Debian: gridengine-master, gridengine-exec and gridengine-client)"
    return None if os.geteuid() == 0 else "its tests start jobs as root"


class GridEngineCluster:
    """sge_qmaster and sge_execd with all their files in one folder of their own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ge-", dir="/tmp"))
        self.version = ""
        ports = free_ports(2)
        self.variables = {
            "SGE_ROOT": str(self.folder),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(ports[0]),
            "SGE_EXECD_PORT": str(ports[1]),
        }

    def start(self) -> None:
        folder, host = self.folder, socket.gethostname()
        folder.chmod(0o755)
        common, spool = folder / "default" / "common", folder / "qmaster"
        for each in (common, spool, folder / "execd"):
            each.mkdir(parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (folder / name).symlink_to(_INSTALLED / name)
        (common / "bootstrap").write_text(_BOOTSTRAP.format(common=common, spool=spool))
        (common / "act_qmaster").write_text(f"{host}\n")
        # where the host's name is one of the loopback's, Grid Engine would call it otherwise
        (common / "host_aliases").write_text(f"{host} localhost\n")
        self.run(str(_TOOLS / "spoolinit"), "classic", "libspoolc", f"{common};{spool}", "init")
        text = (_DEFAULTS / "default-configuration").read_text()
        self._spool("configuration", self._changed("configuration", text, _CONFIGURATION))
        self._spool("complexes", _DEFAULTS / "util/resources/centry")
        self._spool("usersets", _DEFAULTS / "util/resources/usersets")
        self._spool("managers", Path("root"))
        self.run("sge_qmaster")
        self._until_it_answers()
        self.run("qconf", "-as", host)
        scheduling = self._changed("scheduling", self.run("qconf", "-ssconf"), _SCHEDULING)
        self.run("qconf", "-Msconf", str(scheduling))
        self.run("sge_execd")
        self.run("qconf", "-Ap", str(self._changed("pe", _PE, {})))
        # -sq of nothing prints a queue with every field
        self.run("qconf", "-Aq", str(self._changed("queue", self.run("qconf", "-sq"), _QUEUE)))
        self.version = self.run("qstat", "-help").splitlines()[0].strip()

    def stop(self) -> None:
        """Ends every job and both daemons, also after a start that failed."""
        if (self.folder / "qmaster" / "qmaster.pid").exists():
            subprocess.run(["qdel", "-u", "*"], env=self.environ(), check=False, capture_output=True, timeout=30)
            limit = time.monotonic() + 10
            while time.monotonic() < limit and "job_list" in self.run("qstat", "-xml", "-u", "*"):
                time.sleep(0.2)
        for pid_file in self.folder.glob("execd/*/execd.pid"):
            end_by_pid_file(pid_file, signal.SIGTERM)
        end_by_pid_file(self.folder / "qmaster" / "qmaster.pid", signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environ(self) -> dict[str, str]:
        return dict(os.environ, **self.variables)

    def run(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self.environ(), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 or argv[-1] == "-help", f"{argv}: {done.stdout}{done.stderr}\n{self._messages()}"
        return done.stdout

    def _spool(self, what: str, source: Path) -> None:
        self.run(str(_TOOLS / "spooldefaults"), what, str(source))

    def _changed(self, name: str, text: str, changes: dict[str, str]) -> Path:
        """A file with the lines of `text`, those of `changes` replaced."""
        for field, value in changes.items():
            filled = value.format(folder=self.folder, host=socket.gethostname())
            text, count = re.subn(rf"^{field}\s.*$", lambda _, line=f"{field} {filled}": line, text, flags=re.MULTILINE)
            assert count == 1, f"{name} has no {field}:\n{text}"
        path = self.folder / name
        path.write_text(text)
        return path

    def _until_it_answers(self) -> None:
        limit = time.monotonic() + 30
        while subprocess.run(["qconf", "-sh"], env=self.environ(), check=False, capture_output=True).returncode:
            assert time.monotonic() < limit, f"no answer within 30 s\n{self._messages()}"
            time.sleep(0.2)

    def _messages(self) -> str:
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in sorted(self.folder.rglob("messages")))
