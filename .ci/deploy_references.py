"""What Kubernetes objects say of each other: names, keys, ports, labels, topics, settings. A set of objects in, a list of
faults out; nothing is read and nothing is rendered here."""

import re

WORKLOADS = ("Deployment", "StatefulSet", "Job")


class Objects:
    """A set of objects, by what others call them."""

    def __init__(self, objects: list[dict]):
        self.all = objects
        self.by_name = {(thing["kind"], thing["metadata"]["name"]): thing for thing in objects}
        self.workloads = [thing for thing in objects if thing["kind"] in WORKLOADS]
        self.config = self.by_name.get(("ConfigMap", "tally"), {}).get("data", {})

    def of(self, *kinds: str) -> list[dict]:
        return [thing for thing in self.all if thing["kind"] in kinds]

    def has(self, kind: str, name: str) -> bool:
        return (kind, name) in self.by_name

    def has_secret(self, name: str) -> bool:
        """Strimzi makes one for each user, and one with the authority of the cluster."""
        made = {thing["metadata"]["name"] for thing in self.of("KafkaUser")}
        made |= {thing["metadata"]["name"] + "-cluster-ca-cert" for thing in self.of("Kafka")}
        return name in made or self.has("Secret", name)

    def selected(self, selector: dict) -> list[dict]:
        return [work for work in self.workloads if matches(selector, work["spec"]["template"]["metadata"]["labels"])]

    def addresses(self) -> dict[str, set[int]]:
        """Names of Services, and their ports; Strimzi makes one to begin with, and names of nodes are found by Service."""
        found = {thing["metadata"]["name"]: {port["port"] for port in thing["spec"]["ports"]} for thing in self.of("Service")}
        for thing in self.of("Kafka"):
            found[thing["metadata"]["name"] + "-kafka-bootstrap"] = {each["port"] for each in thing["spec"]["kafka"]["listeners"]}
        return found


def matches(selector: dict, labels: dict) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions") or [])


def containers(workload: dict) -> list[dict]:
    return workload["spec"]["template"]["spec"]["containers"]


def ports(workload: dict) -> dict:
    return {port["name"]: port["containerPort"] for each in containers(workload) for port in each.get("ports", [])}


def title(thing: dict) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def faults_between(objects: list[dict], documents: dict) -> list[str]:
    """`documents`: what README.md and docs say: `settings` of each program, `metrics`, `rights` of each user."""
    known = Objects(objects)
    faults = []
    if len(known.by_name) != len(objects):
        faults.append("an object is there twice")
    for thing in objects:
        if thing["kind"] != "Namespace" and thing["metadata"].get("namespace") != "tally":
            faults.append(f"{title(thing)} is not in the namespace tally")
        if thing["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "tally":
            faults.append(f"{title(thing)} has no label app.kubernetes.io/part-of")
    for check in (pods, settings, services, scaling, policies, brokers, disks, monitoring):
        faults += check(known, documents)
    return faults


def pods(known: Objects, _documents) -> list[str]:
    """What the pods of a workload take from elsewhere."""
    faults = []
    for work in known.workloads:
        wrong = lambda what: faults.append(f"{title(work)}: {what}")  # noqa: E731,B023
        pod = work["spec"]["template"]["spec"]
        if not known.has("ServiceAccount", pod.get("serviceAccountName", "")):
            wrong(f"no ServiceAccount {pod.get('serviceAccountName')}")
        if work["kind"] != "Job" and not matches(work["spec"]["selector"], work["spec"]["template"]["metadata"]["labels"]):
            wrong("its selector does not select its own pods")
        if work["kind"] == "StatefulSet" and not known.has("Service", work["spec"]["serviceName"]):
            wrong(f"no Service {work['spec']['serviceName']}")
        volumes = {claim["metadata"]["name"] for claim in work["spec"].get("volumeClaimTemplates", [])}
        for volume in pod.get("volumes", []):
            volumes.add(volume["name"])
            if "secret" in volume and not known.has_secret(volume["secret"]["secretName"]):
                wrong(f"no Secret {volume['secret']['secretName']}")
        for each in containers(work):
            for source in each.get("envFrom", []):
                if "configMapRef" in source and not known.has("ConfigMap", source["configMapRef"]["name"]):
                    wrong(f"no ConfigMap {source['configMapRef']['name']}")
                if "secretRef" in source and not known.has_secret(source["secretRef"]["name"]):
                    wrong(f"no Secret {source['secretRef']['name']}")
            mounted = {mount["name"] for mount in each.get("volumeMounts", [])}
            for name in sorted(mounted ^ volumes):
                wrong(f"volume {name} is mounted and not there, or the other way round")
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for how in ("httpGet", "tcpSocket"):
                    port = each.get(probe, {}).get(how, {}).get("port")
                    if port and port not in ports(work):
                        wrong(f"{probe}: no port {port}")
            names = [variable["name"] for variable in each.get("env", [])]
            used = {name for variable in each.get("env", []) for name in re.findall(r"\$\((\w+)\)", variable.get("value", ""))}
            for name in sorted(used - set(names)):
                wrong(f"$({name}) is no variable of it")
    return faults


def settings(known: Objects, documents: dict) -> list[str]:
    """Variables that the programs don't know, and ports that they don't listen on."""
    tables = documents["settings"]
    either = set(tables["consumer"]) | set(tables["producer"])
    faults = [f"ConfigMap tally: no program has a setting {key}" for key in sorted(set(known.config) - either)]
    for work in known.workloads:
        for each in containers(work):
            if each["name"] not in tables:
                continue
            table = tables[each["name"]]
            given = [variable["name"] for variable in each.get("env", [])]
            given += [flag[2:].upper().replace("-", "_") for flag in each.get("args", []) if flag.startswith("--")]
            faults += [f"{title(work)}: {each['name']} has no setting {name}" for name in given if name not in table]
            listens = int((known.config.get("HTTP_LISTEN") or table["HTTP_LISTEN"]).rpartition(":")[2])
            if any(port["containerPort"] != listens for port in each.get("ports", [])):
                faults.append(f"{title(work)}: it listens on {listens}")
    return faults


def services(known: Objects, _documents) -> list[str]:
    """Services and what stands before them."""
    faults = []
    for service in known.of("Service"):
        behind = known.selected({"matchLabels": service["spec"]["selector"]})
        if not behind:
            faults.append(f"{title(service)} selects nothing")
        for work in behind:
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in ports(work):
                    faults.append(f"{title(service)}: {title(work)} has no port {port['targetPort']}")
    for ingress in known.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = known.by_name.get(("Service", backend["name"]))
                if not service or backend["port"]["name"] not in [port["name"] for port in service["spec"]["ports"]]:
                    faults.append(f"{title(ingress)}: no Service {backend['name']} with a port {backend['port']['name']}")
    return faults


def scaling(known: Objects, _documents) -> list[str]:
    """Who decides the number of replicas, and how many make sense."""
    faults = []
    for scaler in known.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        work = known.by_name.get((target.get("kind", "Deployment"), target["name"]))
        if not work:
            faults.append(f"{title(scaler)}: there is no {target['name']}")
        elif "replicas" in work["spec"]:
            faults.append(f"{title(scaler)}: {title(work)} sets replicas, which undoes what was decided here")
        most = scaler["spec"].get("maxReplicas") or scaler["spec"].get("maxReplicaCount")
        if most > int(known.config.get("KAFKA_PARTITIONS", 0)):
            faults.append(f"{title(scaler)}: up to {most} consumers for {known.config.get('KAFKA_PARTITIONS')} partitions")
        for trigger in scaler["spec"].get("triggers", []):
            for key, name in trigger["metadata"].items():
                if key.endswith("FromEnv") and name not in known.config:
                    faults.append(f"{title(scaler)}: no variable {name}")
    if len(known.of("HorizontalPodAutoscaler", "ScaledObject")) != 1:
        faults.append("not exactly one autoscaler")
    return faults


def policies(known: Objects, _documents) -> list[str]:
    """Selectors that select nobody, and ports that nobody has. Pods that Strimzi makes are not known here."""
    faults = []
    for budget in known.of("PodDisruptionBudget"):
        if not known.selected(budget["spec"]["selector"]):
            faults.append(f"{title(budget)} selects nothing")
    for policy in known.of("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        if "strimzi.io/" in str(selector):
            continue
        about = known.selected(selector)
        if not about:
            faults.append(f"{title(policy)} selects nothing")
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                peers = [peer["podSelector"] for peer in rule.get(side, []) if "podSelector" in peer]
                peers = [peer for peer in peers if "strimzi.io/" not in str(peer)]
                faults += [f"{title(policy)}: a peer selects nothing" for peer in peers if not known.selected(peer)]
                owners = about if direction == "ingress" else [work for peer in peers for work in known.selected(peer)]
                for port in (port["port"] for port in rule.get("ports", []) if isinstance(port["port"], str)):
                    if not owners or any(port not in ports(work) for work in owners):
                        faults.append(f"{title(policy)}: not everybody that it is about has a port {port}")
    return faults


def brokers(known: Objects, documents: dict) -> list[str]:
    """Addresses of Kafka, names of topics and groups, rights of users."""
    faults, addresses = [], known.addresses()
    named = [(f"{host}", int(port)) for host, port in re.findall(r"([\w.-]+):(\d+)", known.config.get("KAFKA_BOOTSTRAP_SERVERS", ""))]
    for work in known.workloads:
        for variable in (variable for each in containers(work) for variable in each.get("env", [])):
            named += [(name, int(port)) for name, port in re.findall(r"([\w-]+)\.tally\.svc:(\d+)", variable.get("value", ""))]
    for host, port in named:
        if port not in addresses.get(host, set()):
            faults.append(f"{host}:{port}: there is no such Service, or it has no such port")
    topic, group = known.config.get("KAFKA_TOPIC"), known.config.get("CONSUMER_GROUP")
    for thing in known.of("KafkaTopic"):
        if thing["metadata"]["name"] != topic or str(thing["spec"]["partitions"]) != known.config["KAFKA_PARTITIONS"]:
            faults.append(f"{title(thing)}: name or partitions are not those of the ConfigMap")
    for thing in known.of("KafkaUser"):
        for acl in thing["spec"]["authorization"]["acls"]:
            about = acl["resource"]
            right = {("topic", "literal"): topic, ("topic", "prefix"): f"{topic}.", ("group", "literal"): group}
            if right.get((about["type"], about["patternType"])) != about["name"]:
                faults.append(f"{title(thing)}: {about['name']} is no {about['type']} of ours")
            listed = documents["rights"].get((thing["metadata"]["name"], about["type"], about["name"]), set())
            for operation in sorted(set(acl["operations"]) - listed):
                faults.append(f"{title(thing)}: docs/operations.md does not list {operation} on {about['name']}")
    return faults


def disks(known: Objects, _documents) -> list[str]:
    """Whether the transactions that Kafka keeps leave three tenths of its volume free, for the other topics and for what is late to go."""
    faults = []
    for work in known.of("StatefulSet"):
        given = {each["name"]: each.get("value", "") for part in containers(work) for each in part.get("env", [])}
        kept = [int(given.get(f"KAFKA_LOG_{name}_BYTES") or -1) for name in ("RETENTION", "SEGMENT")]
        if min(kept) < 0:
            faults.append(f"{title(work)}: its log has no limit, so that its volume fills up")
            continue
        most = sum(kept) * int(known.config.get("KAFKA_PARTITIONS", 0))
        for claim in work["spec"].get("volumeClaimTemplates", []):
            size = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) << 30
            if most > 0.7 * size:
                faults.append(f"{title(work)}: up to {most} bytes of transactions in a volume of {size}")
    return faults


def monitoring(known: Objects, documents: dict) -> list[str]:
    """What is read from where, and metrics that no program has."""
    faults = []
    for monitor in known.of("ServiceMonitor"):
        read = [service for service in known.of("Service") if matches(monitor["spec"]["selector"], service["metadata"]["labels"])]
        have = [{port["name"] for port in service["spec"]["ports"]} for service in read]
        if not read or any(each["port"] not in names for each in monitor["spec"]["endpoints"] for names in have):
            faults.append(f"{title(monitor)}: no Service with such a port")
    for rule in known.of("PrometheusRule"):
        unknown = set(re.findall(r"\btally_\w+", str([each["expr"] for group in rule["spec"]["groups"] for each in group["rules"]])))
        faults += [f"{title(rule)}: no metric {name} in docs/metrics.md" for name in sorted(unknown - documents["metrics"])]
    return faults
