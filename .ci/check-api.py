#!/usr/bin/env python3
"""Asks the demo's HTTP API what its own OpenAPI document says can be asked, rightly and wrongly, and holds each answer
against the document: status, content type, headers, schema, wrong values refused, other methods refused.

    .ci/check-api.py                   the same questions each time
    .ci/check-api.py --seed 7          others
    .ci/check-api.py --examples 1000   more of them

A token is needed for all of it, and is asked for where it is missing. The stream of events never ends, so it is looked at by
check-page.py instead. Needs the release build of the demo (or `--demo PATH`) and schemathesis.
"""

import argparse
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from running import free_address

READY_WITHIN_S = 60
FUZZED_WITHIN_S = 120
EXIT_WITHIN_S = 30
EVENTS = "/api/v1/events"


def ask(url: str, token: str | None = None) -> tuple[int, str]:
    """Status and body; 0 where nobody answers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_for_windows(demo: subprocess.Popen, url: str, token: str) -> None:
    """Until there is something of everything to be described: windows are what comes last."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        status, body = ask(f"{url}/api/v1/windows", token)
        if status == 200 and json.loads(body)["windows"]:
            return
        if demo.poll() is not None:
            raise SystemExit(f"the demo ended with exit code {demo.returncode}")
        time.sleep(0.1)
    raise SystemExit(f"no windows within {READY_WITHIN_S} s")


def fuzz(url: str, token: str, document: str, arguments: argparse.Namespace, folder: str) -> None:
    for path in json.loads(document)["paths"]:
        if (status := ask(url + path)[0]) != 401:
            raise SystemExit(f"{path} is answered with {status} to whoever shows no token")
    schema = pathlib.Path(folder, "openapi.json")
    schema.write_text(document)
    command = [
        "schemathesis", "run", str(schema), "--url", url, "--header", f"Authorization: Bearer {token}",
        "--exclude-path", EVENTS, "--exclude-checks", "ignored_auth", "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(arguments.examples), "--seed", str(arguments.seed), "--request-timeout", "10",
        "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    # In a folder of its own: it leaves notes behind.
    fuzzed = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, timeout=FUZZED_WITHIN_S, check=False)
    if fuzzed.returncode != 0:
        raise SystemExit("the API is not what its document says")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the questions")
    parser.add_argument("--examples", type=int, default=50, help="questions a path at most")
    parser.add_argument("--demo", default="target/release/demo", help="the demo's binary")
    arguments = parser.parse_args()
    address, token = free_address(), secrets.token_hex(16)
    url = f"http://{address}"
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "demo.log")
        with log.open("wb") as out:
            demo = subprocess.Popen(
                [arguments.demo, "--http-listen", address, "--data-dir", f"{folder}/data"],
                env={**os.environ, "HTTP_TOKEN": token}, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            wait_for_windows(demo, url, token)
            fuzz(url, token, ask(f"{url}/api/v1/openapi.json", token)[1], arguments, folder)
            if (status := ask(f"{url}/livez")[0]) != 200:
                raise SystemExit(f"/livez is answered with {status} afterwards")
            demo.send_signal(signal.SIGINT)
            if (code := demo.wait(EXIT_WITHIN_S)) != 0:
                raise SystemExit(f"exit code {code} after Ctrl-C, expected 0")
        except BaseException:
            print(log.read_text(errors="replace")[-8000:], file=sys.stderr)
            raise
        finally:
            if demo.poll() is None:
                demo.kill()
                demo.wait()


main()
