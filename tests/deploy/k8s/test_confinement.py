"""What a pod may do and whom it may call; and that everything it names is there."""

from __future__ import annotations

import pytest

from deploy.stack.deployment import ROOT, deployment, requirements_of
from shared.pipelines import atlas
from tests.deploy.k8s.manifests import (
    NAMES,
    containers,
    egress,
    examples,
    of_kind,
    rendered,
    selected,
    templates,
)

WORKERS = {service.replace("_", "-") for service in atlas.services()}
OUTSIDE = {"web": {80, 443}, "news": {443, 465, 587}}  # as network/reach.yaml has it
each_overlay = pytest.mark.parametrize("overlay", NAMES)


@each_overlay
def test_no_pod_is_root_or_knows_the_cluster(overlay: str) -> None:
    for name, pod in templates(overlay).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"] in of_kind(overlay, "ServiceAccount")
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] >= 10000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            locked = container["securityContext"]
            assert locked["readOnlyRootFilesystem"] is True, (name, container["name"])
            assert locked["allowPrivilegeEscalation"] is False
            assert locked["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"].keys() == {"requests", "limits"}
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
    for account in of_kind(overlay, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


@each_overlay
def test_everything_long_lived_is_asked_whether_it_is_well(overlay: str) -> None:
    for name, wanted in of_kind(overlay, "Deployment").items():
        for container in wanted["spec"]["template"]["spec"]["containers"]:
            if container.get("command") != ["sleep", "infinity"]:
                assert {"readinessProbe", "livenessProbe"} <= container.keys(), name


@each_overlay
def test_nothing_flows_that_no_policy_names(overlay: str) -> None:
    denied = of_kind(overlay, "NetworkPolicy")["default-deny"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    everybody = set(templates(overlay))
    reached: dict[str, set[str]] = {name: set() for name in everybody}
    internet: dict[str, set[int]] = {}
    for name, peer, ports in egress(overlay):
        if "ipBlock" in peer:
            internet.setdefault(name, set()).update(ports)
            if peer["ipBlock"]["cidr"] == "0.0.0.0/0":
                private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
                assert private <= set(peer["ipBlock"]["except"])
        else:
            reached[name] |= {str(port) for port in ports}
    callers = who_can({"httpx", "apprise"})
    assert internet == {name: OUTSIDE[str(deployment(s).internet)] for name, s in callers.items()}
    assert [name for name, ports in internet.items() if 587 in ports] == ["notification"]
    servers = {"5672", "15672", "5432", "6379", "9000"}
    for name in everybody:
        assert "53" in reached[name]
        assert (servers <= reached[name]) == (name != "triton"), name
    calling = {name for name, ports in reached.items() if "8001" in ports}
    assert calling == {"gateway", "operator", *who_can({"tritonclient"})}


def who_can(packages: set[str]) -> dict[str, str]:
    """Pod -> service, of the workers whose images have one of these ways to call others."""
    found = {}
    for service in atlas.services():
        named = requirements_of(ROOT / "services" / service / "requirements.txt")
        if {n.name for n in named} & packages:
            found[service.replace("_", "-")] = service
    return found


@each_overlay
def test_only_doors_are_open(overlay: str) -> None:
    doors: dict[str, set[int]] = {}
    for policy in of_kind(overlay, "NetworkPolicy").values():
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"]
            for name in selected(overlay, policy["spec"]["podSelector"]):
                doors.setdefault(name, set()).update(port["port"] for port in rule["ports"])
    figures = {9100, 8002}
    own = {name: ports - figures for name, ports in doors.items() if ports - figures}
    assert own == {"gateway": {8080}, "flower": {5555}, "triton": {8001}}


@each_overlay
def test_whatever_is_named_is_there(overlay: str) -> None:
    known = {kind: of_kind(overlay, kind) for kind in ("ConfigMap", "PersistentVolumeClaim")}
    secrets = examples()
    assert not of_kind(overlay, "Secret")  # by name only
    for pod in templates(overlay).values():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim")
            assert claim is None or claim["claimName"] in known["PersistentVolumeClaim"]
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    assert source["configMapRef"]["name"] in known["ConfigMap"]
                else:
                    assert source["secretRef"]["name"] in secrets
            for variable in container.get("env", []):
                key = variable["valueFrom"]["secretKeyRef"]
                assert key["key"] in secrets[key["name"]]


@each_overlay
def test_whatever_scaling_names_is_there(overlay: str) -> None:
    secrets, logins = examples(), of_kind(overlay, "TriggerAuthentication")
    for login in logins.values():
        for target in login["spec"]["secretTargetRef"]:
            assert target["key"] in secrets[target["name"]]
    for scaled in of_kind(overlay, "ScaledObject").values():
        for trigger in scaled["spec"]["triggers"]:
            assert trigger["authenticationRef"]["name"] in logins


@each_overlay
def test_services_and_budgets_find_their_pods(overlay: str) -> None:
    pods = templates(overlay)
    for name, service in of_kind(overlay, "Service").items():
        (target,) = selected(overlay, {"matchLabels": service["spec"]["selector"]})
        ports = {p["name"] for c in containers(pods[target]) for p in c.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for budget in of_kind(overlay, "PodDisruptionBudget").values():
        assert len(selected(overlay, budget["spec"]["selector"])) == 1
    budgets = set(of_kind(overlay, "PodDisruptionBudget"))
    assert budgets == WORKERS | {"gateway", "clock"}


@each_overlay
def test_everything_is_in_one_namespace(overlay: str) -> None:
    spaces = {m["metadata"].get("namespace") for m in rendered(overlay) if m["kind"] != "Namespace"}
    assert spaces == {"actverse"} == set(of_kind(overlay, "Namespace"))


def test_no_secret_is_in_the_project() -> None:
    for secret in examples().values():
        for name, value in secret.items():
            assert "CHANGE-ME" in value, name
