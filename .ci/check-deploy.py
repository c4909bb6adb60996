"""Checks deploy/, its variants and docker-compose.yml without a cluster: every manifest against Kubernetes' own schemas,
the oldest version that is supported and the newest known, unknown members refused; everything that one object says of
another; every setting against the README's tables. Variants are rendered where kubectl or kustomize is on PATH.

Kinds of operators (Strimzi, KEDA, Prometheus) have no schema here: what they refer to is checked, their members are not."""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import kubernetes_validate
import yaml
from deploy_references import faults_between
from kubernetes_validate.utils import schema_contents

OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
CUSTOM = {
    ("kafka.strimzi.io/v1", kind) for kind in ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
} | {("keda.sh/v1alpha1", "ScaledObject"), ("monitoring.coreos.com/v1", "ServiceMonitor"),
     ("monitoring.coreos.com/v1", "PrometheusRule")}

# Each of these, done to the manifests, has to be found: a check that finds nothing must not pass for good manifests.
SABOTAGE = [
    ("maxReplicas", "maxReplica"),
    ("minReplicas: 2", "minReplicas: \"2\""),
    ("autoscaling/v2", "autoscaling/v3"),
    ("policy/v1", "policy.example/v1"),
    ("kind: Deployment\n", "kind: Deploment\n"),
    ("KAFKA_TOPIC:", "KAFKA_TOPICS:"),
    ("configMapRef: {name: tally}", "configMapRef: {name: tall}"),
    ("port: http}\n            periodSeconds: 1", "port: htp}\n            periodSeconds: 1"),
    ("targetPort: kafka", "targetPort: kafkaa"),
    ("    app.kubernetes.io/name: consumer\n  ports", "    app.kubernetes.io/name: consume\n  ports"),
    ("serviceAccountName: kafka", "serviceAccountName: kafkas"),
    ("serviceName: kafka-nodes", "serviceName: kafka-node"),
    ("name: data, mountPath", "name: date, mountPath"),
    ("kind: Deployment, name: consumer", "kind: Deployment, name: consumers"),
    ("maxReplicas: 10", "maxReplicas: 100"),
    ("name: consumer, port: {name: http}", "name: consumer, port: {name: web}"),
    ("KAFKA_BOOTSTRAP_SERVERS: kafka:9092", "KAFKA_BOOTSTRAP_SERVERS: kafka:9093"),
    ("$(POD_NAME)", "$(POD)"),
    ("containerPort: 8080", "containerPort: 8088"),
    ("        - {port: kafka}\n        - {port: controller}", "        - {port: kafka}\n        - {port: raft}"),
    ("kafka-nodes.tally.svc", "kafka-node.tally.svc"),
    ("podSelector: {matchLabels: {app.kubernetes.io/name: consumer}}",
     "podSelector: {matchLabels: {app.kubernetes.io/name: consume}}"),
    ("secretRef: {name: kafka-credentials", "secretRef: {name: credentials"),
    ("RATE:", "SPEED:"),
    ("storage: 10Gi", "storage: 8Gi"),
    ("KAFKA_PARTITIONS: \"12\"", "KAFKA_PARTITIONS: \"24\""),
    ("KAFKA_LOG_RETENTION_BYTES", "KAFKA_LOG_RETENTION_BITES"),
]


def faults_of_types(objects: list[dict]) -> list[str]:
    """Members that don't exist, values of another type, kinds and versions that no Kubernetes has."""
    return [fault for thing in objects for fault in faults_of_type(json.dumps(thing, sort_keys=True))]


@functools.cache
def faults_of_type(text: str) -> list[str]:
    thing, faults = json.loads(text), []
    api, kind, name = thing["apiVersion"], thing["kind"], thing["metadata"]["name"]
    if (api, kind) in CUSTOM:
        return []
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            faults.append(f"{kind} {name}, Kubernetes {version}: {error}")
    if not faults and api.rpartition("/")[0] not in groups(api, kind):
        faults.append(f"{kind} {name}: {api} is not its API group")
    return faults


def groups(api: str, kind: str) -> list[str]:
    """The whole names of the groups that a schema is for; the library looks at the first word only."""
    group, _, version = api.rpartition("/")
    name = "-".join(filter(None, [kind.lower(), group.split(".")[0], version]))
    newest = kubernetes_validate.utils.all_versions()[-1]
    schema = schema_contents(f"kubernetes-json-schema/v{newest}-local-strict/{name}.json", NEWEST)
    return [each["group"] for each in schema["x-kubernetes-group-version-kind"]]


def settings(readme: str) -> dict[str, dict[str, str]]:
    """Variables of each program, and their defaults, from the README; a test of each program keeps those true."""
    tables = {}
    for program in ("consumer", "producer"):
        table = readme.split(f"<!-- settings:{program} -->\n")[1].split("<!-- /settings -->")[0]
        rows = re.findall(r"^\| `([A-Z_]+)`(?: `--[a-z-]+`)? \| (?:`([^`]*)`|–) \|", table, re.M)
        tables[program] = dict(rows)
    return tables


def rights(operations: str) -> dict[tuple[str, str, str], set[str]]:
    """What each user may do to which topic or group, from the commands in docs/operations.md."""
    commands = re.findall(r"--allow-principal User:(\S+) (.*) --(topic|group) (\S+)", operations)
    return {(user, kind, name): set(re.findall(r"--operation (\w+)", what)) for user, what, kind, name in commands}


def faults_of_compose(tables: dict[str, dict[str, str]]) -> list[str]:
    """Variables of our programs in docker-compose.yml, and those of .env that it takes its own from."""
    text = pathlib.Path("docker-compose.yml").read_text(encoding="utf-8")
    given = set(re.findall(r"^([A-Z0-9_]+)=", pathlib.Path(".env").read_text(encoding="utf-8"), re.M))
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", text))
    optional = set(re.findall(r"\$\{([A-Z0-9_]+):?-", text))
    faults = [f"docker-compose.yml uses {name}, which .env does not have" for name in sorted(used - given - optional)]
    faults += [f".env has {name}, which docker-compose.yml does not use" for name in sorted(given - used) if not name.startswith("COMPOSE_")]
    for name, service in yaml.safe_load(text)["services"].items():
        program = re.fullmatch(r"(?:.*/)?tally-(consumer|producer)(?::.*)?", service.get("image", ""))
        environment = service.get("environment") or {}
        if isinstance(environment, list):
            environment = dict(line.partition("=")[::2] for line in environment)
        if program:
            unknown = sorted(set(environment) - set(tables[program[1]]))
            faults += [f"docker-compose.yml, {name}: {program[1]} has no setting {key}" for key in unknown]
    return faults


def faults_of_monitoring(metrics: set[str]) -> list[str]:
    """The alerts of the compose set-up against those of the cluster, and every figure that the dashboard shows."""
    text = lambda name: pathlib.Path(name).read_text(encoding="utf-8")  # noqa: E731
    faults = []
    cluster = yaml.safe_load(text("deploy/components/monitoring/alerts.yaml"))["spec"]
    if yaml.safe_load(text("compose/alerts.yaml")) != cluster:
        faults.append("compose/alerts.yaml has other rules than deploy/components/monitoring/alerts.yaml")
    shown = set(re.findall(r"tally_\w+", " ".join(re.findall(r'"expr": "(.*)"', text("deploy/components/monitoring/dashboard.json")))))
    unknown = sorted(name for name in shown if name.removesuffix("_bucket") not in metrics)
    faults += [f"deploy/components/monitoring/dashboard.json shows {name}, which docs/operations.md does not have" for name in unknown]
    return faults


def render(folder: str) -> list[dict]:
    command = ["kubectl", "kustomize", folder] if shutil.which("kubectl") else ["kustomize", "build", folder]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))


def faults_of_variants(plain: list[dict], check) -> tuple[list[str], str]:
    if not (shutil.which("kubectl") or shutil.which("kustomize")):
        if os.environ.get("GITHUB_ACTIONS"):
            return ["neither kubectl nor kustomize is on PATH, and here one of them must be"], ""
        return [], "variants: NOT checked, neither kubectl nor kustomize is on PATH (GitHub Actions has both)"
    faults = []
    order = lambda thing: (thing["kind"], thing["metadata"]["name"])  # noqa: E731
    if sorted(render("deploy"), key=order) != sorted(plain, key=order):
        faults.append("deploy/Kustomization does not come to what deploy/*.yaml says: files or images differ")
    folders = sorted(str(path.parent) for path in pathlib.Path("overlays").glob("*/kustomization.yaml"))
    for folder in folders:
        faults += [f"{folder}: {fault}" for fault in check(render(folder))]
    return faults, f"{len(folders)} variants"


def main() -> int:
    operations = pathlib.Path("docs/operations.md").read_text(encoding="utf-8")
    tables = settings(pathlib.Path("README.md").read_text(encoding="utf-8"))
    documents = {"settings": tables, "metrics": set(re.findall(r"`(tally_\w+)`", operations)), "rights": rights(operations)}
    texts = "\n---\n".join(path.read_text(encoding="utf-8") for path in sorted(pathlib.Path("deploy").glob("*.yaml")))

    def check(objects: list[dict]) -> list[str]:
        return faults_of_types(objects) or faults_between(objects, documents)

    plain = list(yaml.safe_load_all(texts))
    faults = [f"deploy: {fault}" for fault in check(plain)]
    faults += faults_of_compose(tables)
    faults += faults_of_monitoring(documents["metrics"])
    found, variants = faults_of_variants(plain, check)
    faults += found
    for old, new in SABOTAGE:
        if old not in texts:
            faults.append(f"SABOTAGE: no manifest has {old!r} any more")
        elif not check(list(yaml.safe_load_all(texts.replace(old, new, 1)))):
            faults.append(f"SABOTAGE: {new!r} instead of {old!r} was not noticed")
    print("\n".join(faults) if faults else f"    {len(plain)} objects, {variants}; {len(SABOTAGE)} kinds of mistakes would be found")
    return 1 if faults else 0


sys.exit(main())
