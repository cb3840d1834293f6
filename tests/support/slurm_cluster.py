"""A real SLURM cluster of one node, this machine, on ports and in a folder of its own.

Knows SLURM's daemons and their configuration; of the project, which of XLA's flags is a job's own. Needs root and
Debian's packages slurmctld, slurmd, slurm-client and munge.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from landscapes.machine.xla_flags import HOST_DEVICES

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "squeue")
PARTITION = "main"

_CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
# A requeued job may begin again after so many seconds (default: 120).
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
JobRequeue=1
KillWait=10
SlurmdTimeout=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName={partition} Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """What a cluster needs and this machine has not."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [name for name in DAEMONS if shutil.which(name, path=path) is None]
    return absent + ([] if os.geteuid() == 0 else ["root"])


@dataclass
class Cluster:
    """A running cluster; `environment` is what its users' processes need."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """How XLA compiles is as in other tests; how many devices there are is for each job to find out."""
        flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(HOST_DEVICES)]
        return {**os.environ, "XLA_FLAGS": " ".join(flags), "SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *command: str) -> str:
        """What a client command prints; raises CalledProcessError where it fails."""
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def states(self) -> dict[str, str]:
        """The state of each job that the controller knows, by `{array job}_{task}` or `{job}`."""
        lines = self.run("squeue", "--all", "--array", "--noheader", "--states=all", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def start(self, name: str) -> None:
        """Starts one of the daemons."""
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                _command(name, self.folder), env=self.environment, stdout=out, stderr=subprocess.STDOUT
            )

    def stop(self, name: str, number: int = 15) -> None:
        """Ends one of the daemons by a signal."""
        daemon = self.daemons.pop(name)
        daemon.send_signal(number)
        daemon.wait(timeout=30)

    def fail_node(self) -> None:
        """Kills the node's daemon and all that runs on the node, as a power cut would."""
        self.stop("slurmd", signal.SIGKILL)
        own = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if own in (process / "environ").read_bytes() and (b"slurmstepd" in command or b"submitit" in command):
                    os.kill(int(process.name), signal.SIGKILL)

    def wait_until_idle(self, seconds: float = 60.0) -> None:
        """Returns as soon as the node takes jobs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(subprocess.CalledProcessError):
                if self.run("sinfo", "--noheader", "--format=%T").strip() in ("idle", "mixed", "allocated"):
                    return
            time.sleep(0.5)
        raise TimeoutError((self.folder / "slurmctld.log").read_text()[-2000:])


@contextlib.contextmanager
def loopback_cluster(folder: Path, cpus: int = 2) -> Iterator[Cluster]:
    """A cluster inside; outside, none of it is left."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    ports = _free_ports(2)
    settings = {
        "host": socket.gethostname().partition(".")[0],
        "folder": folder,
        "controller_port": ports[0],
        "node_port": ports[1],
        "cpus": cpus,
        "memory": 8000,
        "partition": PARTITION,
    }
    (folder / "slurm.conf").write_text(_CONFIGURATION.format(**settings))
    cluster = Cluster(folder)
    try:
        cluster.start("munged")
        _wait_for(folder / "munge.sock")
        cluster.start("slurmctld")
        cluster.start("slurmd")
        cluster.wait_until_idle()
        yield cluster
    finally:
        with contextlib.suppress(Exception):
            cluster.run("scancel", "--user=root", "--state=RUNNING", "--signal=KILL")
        for name in ("slurmd", "slurmctld", "munged"):
            if name in cluster.daemons:
                with contextlib.suppress(Exception):
                    cluster.stop(name)


def _command(name: str, folder: Path) -> list[str]:
    program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or name
    if name == "munged":
        files = {"socket": "munge.sock", "key-file": "munge.key", "pid-file": "munged.pid"}
        files |= {"log-file": "munged.log", "seed-file": "munge.seed"}
        return [program, "--foreground", "--force", *(f"--{option}={folder / file}" for option, file in files.items())]
    return [program, "-D", *(["-i"] if name == "slurmctld" else [])]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for(path: Path, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(str(path))
        time.sleep(0.1)
