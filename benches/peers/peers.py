"""The peers: what they are, how each is started, proved equal, looked at and stopped.

A running peer has a process group and a folder of its own, so it ends as a whole, whatever happens to this program.
"""

import contextlib
import http.client
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "target" / "peers"
OURS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

# Debian keeps nginx where only root looks.
os.environ["PATH"] = os.pathsep.join([str(OURS), os.environ["PATH"], "/usr/sbin"])

# Seconds that a peer has to listen, and then to stop.
START_SECONDS = 15
STOP_SECONDS = 5

# Descriptors that this program and what it starts may have, if the system allows it.
DESCRIPTORS = 40_000


class Failure(Exception):
    """What is wrong, in words for the person at the terminal."""


def output(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip()


def locked(crate):
    lock = (HERE / "rust" / "Cargo.lock").read_text()
    return re.search(rf'name = "{crate}"\nversion = "(.*)"', lock)[1]


def nginx(folder):
    """nginx prints no address and takes no port 0, so the port is chosen here. What it sends as a file takes no room."""
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    # As root, its workers are nobody, and their folders are in this one.
    folder.chmod(0o755)
    config = (HERE / "nginx" / "nginx.conf").read_text().replace("PORT", str(port)).replace("FOLDER", str(folder))
    (folder / "nginx.conf").write_text(config)
    (folder / "bytes").mkdir()
    with (folder / "bytes" / str(1 << 30)).open("wb") as file:
        file.truncate(1 << 30)
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], port


def prove_http(peer):
    """The answers of `README.md`."""
    peer.expect("GET", "/plaintext", None, "text/plain", b"Hello, World!")
    if "echo" not in peer.kind.cannot:
        content = bytes(range(256)) * 256
        peer.expect("POST", "/echo", content, "application/octet-stream", content)


def printing(*command):
    """A peer that takes the port 0 and prints where it listens."""
    return lambda folder: (command, None)


def rust(name, *flags):
    return printing(BUILT / "release" / name, "0", *flags)


@dataclass
class Kind:
    version: Callable[[], str]
    # Folder -> command, and the port if it is known beforehand.
    start: Callable
    # What it does not do: `echo` content, `close` a connection when asked to, `keep` one after an echo.
    cannot: frozenset = frozenset()
    # Flags without which it would refuse ten thousand connections.
    for_many: tuple = ()
    # Refuses, by a `Failure`, a running peer whose answers are not those of the others.
    prove: Callable = prove_http


PEERS = {
    "firstbyte": Kind(
        lambda: output(OURS / "firstbyte", "--version").split()[-1],
        printing(OURS / "firstbyte", "serve", "--listen", "127.0.0.1:0"),
        for_many=("--connections-max", "16384"),
    ),
    "hyper": Kind(lambda: locked("hyper"), rust("hyper")),
    "hyper-flush": Kind(lambda: locked("hyper"), rust("hyper", "--pipeline-flush")),
    "axum": Kind(lambda: f"{locked('axum')} (hyper {locked('hyper')})", rust("axum")),
    "actix": Kind(lambda: locked("actix-web"), rust("actix"), frozenset({"keep"})),
    "nginx": Kind(lambda: output("nginx", "-v").rsplit("/", 1)[-1], nginx),
    "go": Kind(lambda: output("go", "version", BUILT / "go").rsplit("go", 1)[-1], printing(BUILT / "go", "0")),
    "node": Kind(
        lambda: output("node", "--version").lstrip("v"), printing("node", HERE / "node" / "server.js", "0")
    ),
    "may": Kind(lambda: locked("may_minihttp"), rust("may"), frozenset({"close"})),
    "floor": Kind(lambda: f"tokio {locked('tokio')}", rust("floor"), frozenset({"echo", "close"})),
    "floor-shared": Kind(
        lambda: f"tokio {locked('tokio')}", rust("floor", "--shared"), frozenset({"echo", "close"})
    ),
}


class Peer:
    """A running server. `under` stands before its command, `flags` behind it; `slow`: how much slower it may start."""

    def __init__(self, name, folder, kind=None, under=(), flags=(), slow=1):
        self.kind, self.name, self.log, self.slow = kind or PEERS[name], name, folder / "stderr", slow
        command, port = self.kind.start(folder)
        if shutil.which(command[0]) is None:
            raise Failure(f"{name}: {command[0]} is missing; `make peers` builds it")
        # Should this program be killed without a chance to tidy up, the kernel tells the peer.
        command = ["setpriv", "--pdeathsig", "TERM", *under, *command, *flags]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, start_new_session=True,
            )
        try:
            self.version = self.kind.version()
            self.port = self.reached(port) if port else self.told()
            self.kind.prove(self)
        except BaseException:
            self.stop()
            raise

    def told(self):
        """The port in the first line that it prints."""
        ready, _, _ = select.select([self.process.stdout], [], [], self.slow * START_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        return int(found[1]) if found else self.refuse()

    def reached(self, port):
        """`port`, once something accepts there."""
        until = time.monotonic() + self.slow * START_SECONDS
        while time.monotonic() < until and not self.has_ended():
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return port
            except OSError:
                time.sleep(0.02)
        return self.refuse()

    def refuse(self):
        raise Failure(f"{self.name} does not start: {self.log.read_text().strip() or 'it says nothing'}")

    def expect(self, method, path, sent, media_type, content):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.slow * START_SECONDS)
        try:
            connection.request(method, path, sent)
            answer = connection.getresponse()
            if (answer.status, answer.headers.get_content_type(), answer.read()) != (200, media_type, content):
                raise Failure(f"{self.name} answers {method} {path} otherwise than the others")
            absent = [field for field in ("Date", "Server") if field not in answer.headers]
            if absent:
                raise Failure(f"{self.name} answers {method} {path} without {' and '.join(absent)}, unlike the others")
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{self.name} does not answer {method} {path}: {error!r}") from error
        finally:
            connection.close()

    def filled(self, argument):
        url = f"http://127.0.0.1:{self.port}"
        values = {"url": url, "port": self.port, "name": self.name, "pid": self.process.pid}
        return re.sub(r"\{(url|port|name|pid)\}", lambda found: str(values[found[1]]), argument)

    def has_ended(self):
        """Looks without reaping: as long as nobody has, its number and its group's belong to nobody else."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def processes(self):
        """Those of the group, each with the fields of its `stat` behind its name, which may hold anything."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # It has ended.
            if int(fields[2]) == self.process.pid:
                yield int(stat.parent.name), fields

    def cpu_seconds(self):
        """What all processes of the group have spent so far."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self.processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        """The memory of all processes of the group, what they share counted once for each."""
        return self.sum_of("smaps_rollup", "Rss")

    def peak_bytes(self):
        """The most that each of them has had since `forget_peak`."""
        return self.sum_of("status", "VmHWM")

    def forget_peak(self):
        for pid, _ in self.processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def sum_of(self, file, field):
        """The sum over all processes, in bytes."""
        texts = (Path(f"/proc/{pid}/{file}").read_text() for pid, _ in self.processes())
        found = (re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE) for text in texts)
        return sum(int(kibibytes[1]) for kibibytes in found if kibibytes) << 10

    def stop(self):
        """Asks the first process, which tells its workers; then ends what is left of the group."""
        try:
            os.kill(self.process.pid, signal.SIGTERM)
            until = time.monotonic() + STOP_SECONDS
            while time.monotonic() < until and not self.has_ended():
                time.sleep(0.01)
        finally:
            # Also when Ctrl-C comes while it waits.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()


@contextlib.contextmanager
def running(name, folder, **how):
    """The peer, up and its answers proved equal, and stopped whatever happens."""
    own = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    peer = Peer(name, own, **how)
    try:
        yield peer
    finally:
        peer.stop()


def clean_environment():
    """The environment without what would change how firstbyte listens or logs."""
    changes = re.compile("PORT|RUST_LOG|FIRSTBYTE_.*")
    return {name: value for name, value in os.environ.items() if not changes.fullmatch(name)}


def installed(name, kinds=PEERS):
    """firstbyte always is: if it is not built, that is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        return name == "firstbyte" or shutil.which(kinds[name].start(Path(folder))[0][0]) is not None


def chosen(names, parser, kinds=PEERS):
    """The peers of a list with commas."""
    names = names.split(",")
    unknown = [name for name in names if name not in kinds]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(kinds)}")
    return names


def table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def guarded(program, work):
    """Runs `work(folder)` in a folder that goes away. Returns its exit code: 2 for a failure, 130 for Ctrl-C."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    try:
        with tempfile.TemporaryDirectory(prefix="firstbyte-peers-") as folder:
            # As root, nginx's workers are nobody.
            os.chmod(folder, 0o755)
            return work(Path(folder))
    except (Failure, OSError) as failure:
        print(f"{program}: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
