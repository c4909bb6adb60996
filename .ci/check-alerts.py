#!/usr/bin/env python3
"""Checks the alerts: that promtool takes them, that each fires when it should and only then (compose/alerts_test.yaml), that the
tests have a case of both for each, and that each has its section in docs/runbooks.md and no section is without an alert.

    .ci/check-alerts.py        needs promtool (Debian: apt-get install prometheus)
"""

import pathlib
import re
import shutil
import subprocess
import sys

import yaml

RULES, TESTS = pathlib.Path("compose/alerts.yaml"), pathlib.Path("compose/alerts_test.yaml")
RUNBOOKS = pathlib.Path("docs/runbooks.md")
# What a section has to answer, in bold at the beginning of a paragraph.
QUESTIONS = ("What it means", "Look first", "Do", "It is over when")


def faults_of_promtool() -> list[str]:
    commands = (
        ["check", "config", "--syntax-only", "compose/prometheus.yaml"],
        ["check", "rules", "--lint=all", "--lint-fatal", str(RULES)],
        ["test", "rules", str(TESTS)],
    )
    faults = []
    for command in commands:
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            faults.append(f"promtool {' '.join(command)}:\n{done.stdout}{done.stderr}")
    return faults


def faults_of_tests(alerts: list[str]) -> list[str]:
    """Each alert fires in a case, alone at that moment or beside others, and before that in the same case it does not."""
    faults, fires, quiet = [], set(), set()
    for case in yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]:
        fired = [set(re.findall(r'alertname="(\w+)"', str(each["exp_samples"]))) for each in case["promql_expr_test"]]
        later = set().union(*fired)
        fires |= later
        quiet |= later - fired[0]
    for name in alerts:
        if name not in fires:
            faults.append(f"{TESTS}: no case in which {name} fires")
        if name not in quiet:
            faults.append(f"{TESTS}: no case in which {name} does not fire before it does")
    faults += [f"{TESTS}: there is no alert {name}" for name in sorted(fires - set(alerts))]
    return faults


def faults_of_runbooks(alerts: dict[str, dict]) -> list[str]:
    parts = re.split(r"^## (.+)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    faults = [f"{RUNBOOKS}: {name} is no alert" for name in sections if name not in alerts]
    for name, rule in alerts.items():
        if rule["annotations"].get("runbook") != f"{RUNBOOKS}#{name.lower()}":
            faults.append(f"{RULES}: the runbook of {name} is not {RUNBOOKS}#{name.lower()}")
        if name not in sections:
            faults.append(f"{RUNBOOKS}: no section ## {name}")
            continue
        asked = [question for question in QUESTIONS if f"\n**{question}" not in sections[name]]
        faults += [f"{RUNBOOKS}, {name}: no paragraph **{question}" for question in asked]
    return faults


def main() -> int:
    if not shutil.which("promtool"):
        print("promtool is needed (Debian: apt-get install prometheus)", file=sys.stderr)
        return 1
    rules = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    alerts = {rule["alert"]: rule for rule in rules}
    faults = faults_of_promtool() + faults_of_tests(list(alerts)) + faults_of_runbooks(alerts)
    print("\n".join(faults) if faults else f"    {len(alerts)} alerts, each with a case that fires, one that does not, and its section")
    return 1 if faults else 0


sys.exit(main())
