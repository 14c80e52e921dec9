"""Run a program without root's rights: Postgres refuses to start with them."""

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class EmbeddedError(RuntimeError):
    """An embedded server cannot be had here; the message says why and what to do."""


@dataclass(frozen=True)
class Identity:
    """How to start a program that may not be root: a prefix for its command line, or an owner to become."""

    prefix: tuple[str, ...] = ()
    becomes: tuple[int, int] | None = None  # uid, gid


@functools.cache
def server_identity() -> Identity:
    """A user namespace keeps all files ours and asks nothing of parent folders; where it is forbidden, be `nobody`."""
    if os.geteuid() != 0:
        return Identity()
    nobody = pwd.getpwnam("nobody")
    namespace = ("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--")
    if shutil.which("unshare"):
        trial = subprocess.run([*namespace, "true"], capture_output=True, check=False)
        if trial.returncode == 0:
            return Identity(prefix=namespace)
    return Identity(becomes=(nobody.pw_uid, nobody.pw_gid))


def own(folder: Path) -> None:
    """Make the folder, private and owned by whoever will run the server."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        uid, gid = server_identity().becomes or (0, 0)
        if folder.stat().st_uid != uid:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)
        if uid:
            _must_be_reachable(folder)
    elif folder.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)


def run(command: list[str | Path]) -> None:
    """Run the command to its end; raises EmbeddedError with what it printed if it fails."""
    identity = server_identity()
    uid, gid = identity.becomes or (None, None)
    if uid:
        _must_be_reachable(Path(command[0]))
    done = subprocess.run(
        [*identity.prefix, *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "LC_ALL": "C"},
        user=uid,
        group=gid,
        extra_groups=[] if uid else None,
    )
    if done.returncode:
        raise EmbeddedError(f"{Path(command[0]).name} failed with status {done.returncode}:\n{done.stdout}")


def _must_be_reachable(path: Path) -> None:
    for parent in path.parents:
        if not parent.stat().st_mode & 0o001:
            raise EmbeddedError(f"root's servers run as nobody, who cannot enter {parent}: chmod o+x it, or be a user")
