"""A fresh clone of the project with an environment of its own, on tiny data, for tests of what a user does with it."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.pipeline.chain_project import HOME, Project, shrink

SHARED = HOME.parent / "shared"
OWN = ("CI", "RAWLINE", "MLFLOW", "DVC_", "PREFECT", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTEST", "PYTHON", "XDG_")


class Clone(Project):
    """A clone on a machine of its own: nothing of the test's environment is seen, and the home folder is new.

    Clones side by side share that home, as one user's do. ``.venv/bin`` stands first, as after activating.
    """

    def environment(self) -> dict[str, str]:
        """Return the environment of its commands."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(OWN)}
        path = os.pathsep.join([str(self.root / ".venv/bin"), *_others(clean["PATH"])])
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        return {**clean, "PATH": path, "HOME": str(home), "OMP_NUM_THREADS": "1"}

    def git(self, *words: str) -> str:
        """Run git; it has to succeed."""
        done = self.run("git", *words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.git("add", "-A")
        self.git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", message)

    def start(self, *words: str) -> "Running":
        """Start a command in a session of its own, as in a terminal of its own."""
        return Running(self, words)


class Running:
    """A command that goes on while the test looks; what it says on both channels is in a file."""

    def __init__(self, project: Project, words: tuple[str, ...]) -> None:
        heard = ("env", "--default-signal=INT")  # a test that runs in the background was started deaf to Ctrl-C
        self.file = Path(tempfile.mkstemp(suffix=".txt", dir=project.root.parent)[1])
        with self.file.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                [*heard, *words], cwd=project.root, env=project.environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def output(self) -> str:
        """Return what it has said so far."""
        return self.file.read_text(encoding="utf-8")

    def wait_for(self, happened: Callable[[], Any], seconds: float = 600) -> None:
        """Wait until something has happened, or the command has ended.

        Raises:
            AssertionError: neither came.
        """
        end = time.monotonic() + seconds
        while not happened() and self.process.poll() is None:
            assert time.monotonic() < end, f"it did not happen in {seconds:g} s:\n{self.output}"
            time.sleep(0.05)

    def wait(self, seconds: float = 1800) -> int:
        """Return its exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end in {seconds:g} s:\n{self.output}") from None

    def signal(self, number: int) -> None:
        """Send a signal to its process group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def family(self) -> list[psutil.Process]:
        """Return it and all that descends from it."""
        try:
            leader = psutil.Process(self.process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """End it and all that it started at once, as when the power goes."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


def left_of(family: list[psutil.Process], seconds: float = 120) -> list[psutil.Process]:
    """Return who of a family still works after a while; a dead one that nobody has collected does not count."""
    end = time.monotonic() + seconds
    while (lives := [process for process in family if _works(process)]) and time.monotonic() < end:
        time.sleep(0.1)
    return lives


def _works(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _others(path: str) -> list[str]:
    """Return the folders of a search path without the test's own environment: what is missing in the clone's must fail."""
    own = Path(sys.executable).parent
    return [folder for folder in path.split(os.pathsep) if Path(folder) != own]


def origin(root: Path, tasks: tuple[str, ...]) -> Clone:
    """Make the repository that is cloned: every file that git knows or would add, as it lies here, with tiny parameters."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=HOME, check=True, capture_output=True
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (HOME / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HOME / name, root / name)
    made = Clone(root)
    params = made.params()
    shrink(params, tasks)
    made.write(params)
    _forget_others(root / "dvc.lock", tasks)
    made.git("init", "-q", "-b", "main")
    made.commit("tiny")
    return made


def _forget_others(lock: Path, tasks: tuple[str, ...]) -> None:
    """Leave the entries of the tasks that are made: what no stage of the graph wrote would look like a missing output."""
    if lock.exists():
        content = yaml.safe_load(lock.read_text(encoding="utf-8"))
        wanted = {name: entry for name, entry in content["stages"].items() if name.partition("@")[2] in ("", *tasks)}
        lock.write_text(yaml.safe_dump({**content, "stages": wanted}, sort_keys=False), encoding="utf-8")


def clone(source: Path, root: Path) -> Clone:
    """Clone a repository, lay the shared pictures beside it and give it an environment that is ready."""
    made = Clone(root)
    subprocess.run(["git", "clone", "-q", str(source), str(root)], check=True)
    for key in ("name", "email"):
        made.git("config", f"user.{key}", "t@t")
    shared = root.parent / "shared"
    if SHARED.is_dir() and not shared.exists():
        shared.symlink_to(SHARED)
    install(root)
    return made


def install(root: Path) -> None:
    """Make ``.venv`` as ``make`` would leave it, without installing anything: packages from here, code from the clone.

    The environment is real, so that its commands find the clone's code wherever they start; only the folder of packages is
    the one of the environment that runs the tests, which is read and never written to.
    """
    folder = root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "clone.pth").write_text(f"{root}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    here = Path(sys.executable).parent
    for script in here.iterdir():
        if not (folder / "bin" / script.name).exists() and not script.name.startswith(("activate", "python", "pip")):
            _copy(script, folder / "bin" / script.name, here, folder / "bin")
    (folder / ".ready").touch()


def _copy(script: Path, target: Path, here: Path, there: Path) -> None:
    """Copy a console script so that it starts the clone's Python; link what is a program."""
    head = script.read_bytes()
    if head.startswith(b"#!"):
        target.write_bytes(head.replace(f"{here}/python".encode(), f"{there}/python".encode(), 1))
        shutil.copymode(script, target)
    else:
        target.symlink_to(script)
