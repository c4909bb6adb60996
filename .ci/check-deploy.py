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

MONITORING = "deploy/components/monitoring"

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
    """The alerts of the compose set-up against those of the cluster, and every figure that they and the dashboard look at."""
    text = lambda name: pathlib.Path(name).read_text(encoding="utf-8")  # noqa: E731
    faults = faults_of_wiring(yaml.safe_load(text("docker-compose.yml")), yaml.safe_load(text(f"{MONITORING}/kustomization.yaml")))
    cluster = yaml.safe_load(text(f"{MONITORING}/alerts.yaml"))["spec"]
    if yaml.safe_load(text("compose/alerts.yaml")) != cluster:
        faults.append(f"compose/alerts.yaml has other rules than {MONITORING}/alerts.yaml")
    dashboard = json.loads(text(f"{MONITORING}/dashboard.json"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    looked_at = {f"{MONITORING}/dashboard.json": shown, "compose/alerts.yaml": [rule["expr"] for group in cluster["groups"] for rule in group["rules"]]}
    for name, queries in looked_at.items():
        names = set(re.findall(r"\b(?:tally|process)_\w+", " ".join(queries)))
        unknown = sorted(each for each in names if each.removesuffix("_bucket") not in metrics)
        faults += [f"{name} looks at {each}, which docs/metrics.md does not have" for each in unknown]
    return faults


def faults_of_wiring(compose: dict, component: dict) -> list[str]:
    """Whether Prometheus and Grafana are given the very files: by Compose where their settings look for them, and by Kustomize."""
    faults = []
    sources = {
        ("prometheus", "/etc/prometheus/prometheus.yml"): "compose/prometheus.yaml",
        ("prometheus", "/etc/prometheus/alerts.yaml"): "compose/alerts.yaml",
        ("grafana", "/etc/tally/dashboards/tally.json"): f"{MONITORING}/dashboard.json",
        ("grafana", "/etc/grafana/provisioning/datasources/tally.yaml"): "compose/grafana/sources.yaml",
        ("grafana", "/etc/grafana/provisioning/dashboards/tally.yaml"): "compose/grafana/dashboards.yaml",
        ("alertmanager", "/etc/alertmanager/alertmanager.yml"): "compose/alertmanager.yaml",
    }
    for (service, target), file in sources.items():
        given = {each["target"]: each["source"] for each in compose["services"][service]["configs"]}
        source = compose["configs"].get(given.get(target), {}).get("file")
        if source != file or not pathlib.Path(file).exists():
            faults.append(f"docker-compose.yml gives {service} {source} at {target}, not {file}")
        if "monitoring" not in compose["services"][service]["profiles"]:
            faults.append(f"docker-compose.yml: {service} is not in the profile monitoring")
    rules = yaml.safe_load(pathlib.Path("compose/prometheus.yaml").read_text(encoding="utf-8"))["rule_files"]
    if rules != ["/etc/prometheus/alerts.yaml"]:
        faults.append(f"compose/prometheus.yaml takes its rules from {rules}, where docker-compose.yml puts none")
    files = [file for each in component["configMapGenerator"] for file in each["files"]]
    if set(component["resources"]) != {"service-monitor.yaml", "alerts.yaml"} or files != ["tally.json=dashboard.json"]:
        faults.append(f"{MONITORING}/kustomization.yaml does not hold what reads, what wakes somebody, and the dashboard")
    overlay = yaml.safe_load(pathlib.Path("overlays/monitoring/kustomization.yaml").read_text(encoding="utf-8"))
    if overlay["components"] != [f"../../{MONITORING}"]:
        faults.append(f"overlays/monitoring does not take {MONITORING}")
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
    metrics = pathlib.Path("docs/metrics.md").read_text(encoding="utf-8")
    documents = {"settings": tables, "metrics": set(re.findall(r"^\| `(\w+)` ", metrics, re.M)), "rights": rights(operations)}
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
