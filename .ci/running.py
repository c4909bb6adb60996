"""Running programs, as the checks of them use them: a free port, a question over HTTP, the pipeline in one process."""

import http.client
import json
import pathlib
import signal
import socket
import subprocess
import urllib.request

ANSWER_WITHIN_S = 5


def free_address() -> str:
    """On loopback; a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def get(url: str) -> str | None:
    """The body of a good answer; None for anything else."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as answer:
            return answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None


class Demo:
    """The pipeline in one process, on a port and with data that outlive it."""

    def __init__(self, folder: str, binaries: pathlib.Path) -> None:
        self.address, self.folder, self.program = free_address(), pathlib.Path(folder), binaries / "demo"
        self.url = f"http://{self.address}"
        self.start()

    def start(self) -> None:
        command = [self.program, "--http-listen", self.address, "--data-dir", str(self.folder / "data")]
        with (self.folder / "demo.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def is_ready(self) -> bool:
        return get(self.url + "/readyz") is not None

    def get(self, path: str) -> dict:
        """What is answered; an error where it is nothing good."""
        with urllib.request.urlopen(self.url + path, timeout=ANSWER_WITHIN_S) as answer:
            return json.load(answer)
