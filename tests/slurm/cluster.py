"""A real Slurm of two nodes on this host, for as long as the tests run: `make test-slurm`.

Installs Debian's packages where they are missing (as root), starts munged, slurmctld and two slurmd in a scratch folder
of their own, runs the tests that are marked `slurm`, and stops all of it again, whatever happened.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo", "scancel")
START_SECONDS = 300


def main() -> int:
    """Run the tests in a Slurm of their own; pytest's status, or 2 when there can be no Slurm."""
    if os.geteuid() != 0:
        return complain("Slurm's daemons want root; run `make test-slurm` as root, in a container for instance")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if missing():
        install()
    if missing():
        return complain(f"{', '.join(missing())}: not there and not to be installed; install slurm-wlm and munge")
    with tempfile.TemporaryDirectory(prefix="slurm-") as scratch:
        try:
            with running(Path(scratch)):
                return subprocess.run(
                    [sys.executable, "-m", "pytest", str(HERE), "--slurm", *sys.argv[1:]], check=False
                ).returncode
        except TimeoutError as error:
            return complain(str(error))


def complain(what: str) -> int:
    """One line on standard error, and the status of what a user can mend."""
    sys.stderr.write(f"error: {what}\n")
    return 2


def missing() -> list[str]:
    """The programs that are not there."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def install() -> None:
    """Debian's packages; its services are not started."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "slurm-wlm", "munge"]):
        subprocess.run(["apt-get", "--quiet", *words], env=quiet, check=False, stdout=subprocess.DEVNULL)


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Slurm in a scratch folder; the environment says where, until it is stopped."""
    folder.chmod(0o755)  # munged refuses a folder that others may write to
    for name in ("state", "spool", "log"):
        (folder / name).mkdir()
    host = socket.gethostname().split(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text((HERE / "two-nodes.conf").read_text().replace("HOST", host).replace("DIR", str(folder)))
    os.environ["SLURM_CONF"] = str(conf)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(start(folder, "munged", *munge_words(folder)))
        wait_until(lambda: (folder / "munge.socket").exists(), "munged", folder)
        daemons.append(start(folder, "slurmctld", "-D"))
        daemons += [start(folder, "slurmd", "-D", "-f", str(conf), "-N", node) for node in ("n1", "n2")]
        wait_until(lambda: said("sinfo", "-h", "-N", "-p", "low", "-o", "%t").split() == ["idle"] * 2, "nodes", folder)
        yield
    finally:
        subprocess.run(["scancel", "--full", "--signal=KILL", "--user=root"], check=False, capture_output=True)
        stop(daemons, folder)
        del os.environ["SLURM_CONF"]


def munge_words(folder: Path) -> list[str]:
    """munged's own files, so that one that the host runs is left alone."""
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    files = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "log/munged.log", "seed-file": "munge.seed"}
    return ["--foreground", "--force", f"--key-file={key}", *(f"--{k}={folder / name}" for k, name in files.items())]


def start(folder: Path, program: str, *words: str) -> subprocess.Popen[bytes]:
    """A daemon as a child of ours; what it prints goes beside its log."""
    with (folder / "log" / f"{program}-{words[-1].lstrip('-')[:2]}.out").open("wb") as out:
        return subprocess.Popen([program, *words], stdout=out, stderr=out, start_new_session=True)


def bring_back(folder: Path, node: str) -> None:
    """Start a lost node's slurmd again; it goes into the background, and is ended with the rest."""
    subprocess.run(["slurmd", "-f", str(folder / "slurm.conf"), "-N", node], check=True)


def lose_node(folder: Path, node: str) -> None:
    """What a node loses with its power: its slurmd, the step daemons and all that jobs run there."""
    conf = str(folder / "slurm.conf")
    lost = set()
    for process in (int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
        inherited = of_process(process, "environ")
        if {f"SLURMD_NODENAME={node}", f"SLURM_CONF={conf}"} <= set(inherited):
            lost |= {process, parent_step(process)}
        if of_process(process, "cmdline")[-3:-1] == ["-N", node] and conf in of_process(process, "cmdline"):
            lost.add(process)
    for process in lost - {0}:
        os.kill(process, signal.SIGKILL)


def of_process(process: int, name: str) -> list[str]:
    """A process's environment or command line, empty when it is gone."""
    try:
        return (Path("/proc") / str(process) / name).read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def parent_step(process: int) -> int:
    """The step daemon that has started a process, or 0."""
    try:
        status = (Path("/proc") / str(process) / "status").read_text()
    except OSError:
        return 0
    parent = int(status.partition("PPid:")[2].split()[0])
    return parent if of_process(parent, "cmdline")[0].startswith("slurmstepd") else 0


def stop(daemons: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    """End the daemons, the last one first, and what jobs have left: a slurmstepd outlives its slurmd."""
    for daemon in reversed(daemons):
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes() and process.name != str(os.getpid()):
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue


def said(*command: str) -> str:
    """What a command prints, empty when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_until(condition: Callable[[], bool], what: str, folder: Path) -> None:
    """Wait for a daemon; TimeoutError, with the ends of the logs, when it does not come up."""
    end = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > end:
            logs = [f"{log.name}: {log.read_text(errors='replace')[-300:]}" for log in (folder / "log").iterdir()]
            raise TimeoutError(
                f"{what}: not up after {START_SECONDS} s; {' | '.join(' '.join(x.split()) for x in logs)}"
            )
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
