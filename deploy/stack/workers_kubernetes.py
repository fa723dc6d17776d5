"""A worker as Kubernetes runs it: what differs; `common.patch.yaml` adds what all have alike."""

from __future__ import annotations

from typing import Any

import yaml

from deploy.stack.deployment import Deployment

Manifest = dict[str, Any]
EVENTS_A_POD = 50
"""Events only begin work: a pod takes many of them in a moment."""
LONGEST_ON_ONE_LINE = 100  # characters


def manifests(worker: Deployment) -> str:
    """Its file in `deploy/k8s/base/workers`: the pods, their budget, their scaling."""
    found = (_deployment(worker), _budget(worker), _scaling(worker))
    return "---\n".join(as_yaml(each) for each in found)


def kustomization(workers: tuple[Deployment, ...], patches: list[str]) -> str:
    """The folder's own file. `patches` are names of files, each for the worker that it names."""
    everybody = {"kind": "Deployment", "labelSelector": "app.kubernetes.io/component=worker"}
    return as_yaml(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": sorted(f"{worker.name}.yaml" for worker in workers),
            "patches": [
                {"path": "common.patch.yaml", "target": everybody},
                *({"path": patch} for patch in patches),
            ],
        }
    )


class _Readable(yaml.SafeDumper):
    """Lists are indented, and a mapping of few plain values stands on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        node = super().represent_mapping(tag, mapping, flow_style)
        plain = all(isinstance(value, str | int) for value in mapping.values())
        node.flow_style = plain and len(str(mapping)) < LONGEST_ON_ONE_LINE
        return node


def as_yaml(manifest: Manifest) -> str:
    """In the order of the keys."""
    return yaml.dump(manifest, Dumper=_Readable, sort_keys=False, width=2 * LONGEST_ON_ONE_LINE)


def _deployment(worker: Deployment) -> Manifest:
    labels = {
        "app.kubernetes.io/name": worker.name,
        "app.kubernetes.io/component": "worker",
    }
    may_call = {"actverse/servers": "reach"}
    if worker.models:
        may_call["actverse/model-server"] = "reach"
    if worker.internet:
        may_call["actverse/internet"] = worker.internet
    container: Manifest = {
        "name": "worker",
        "image": f"actverse/{worker.service}",
        "resources": {
            "requests": worker.kubernetes.requests.model_dump(),
            "limits": worker.kubernetes.limits.model_dump(),
        },
    }
    pod: Manifest = {"containers": [container]}
    if mounts := _mounts(worker):
        container["volumeMounts"] = mounts
        claims = dict.fromkeys(str(mount["name"]) for mount in mounts)
        pod["volumes"] = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in claims]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": worker.name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": worker.name}},
            "template": {"metadata": {"labels": {**labels, **may_call}}, "spec": pod},
        },
    }


def _mounts(worker: Deployment) -> list[Manifest]:
    """Those beyond what every worker has; who only reads models asks the model server."""
    found: list[Manifest] = []
    if worker.models == "writes":
        found += [{"name": "models", "mountPath": "/models"}]
    if worker.weights:
        shipped = {"mountPath": "/app/triton_models/global", "subPath": "global", "readOnly": True}
        found += [{"name": "weights", "mountPath": "/weights"}, {"name": "weights", **shipped}]
    return found


def _budget(worker: Deployment) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": worker.name},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": worker.name}},
        },
    }


def _scaling(worker: Deployment) -> Manifest:
    about = worker.kubernetes
    spec: Manifest = {
        "scaleTargetRef": {"name": worker.name},
        "minReplicaCount": 1,
        "maxReplicaCount": about.most_pods,
    }
    if about.one_less_after_s is not None:
        slowly = {
            "stabilizationWindowSeconds": about.one_less_after_s,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": about.one_less_every_s}],
        }
        spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": slowly}}}
    spec["triggers"] = [
        _trigger(worker.service, about.messages_a_pod),
        _trigger(f"{worker.service}.events", EVENTS_A_POD),
    ]
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": worker.name},
        "spec": spec,
    }


def _trigger(queue: str, messages_a_pod: int) -> Manifest:
    asked = {"protocol": "http", "mode": "QueueLength", "queueName": queue}
    return {
        "type": "rabbitmq",
        "metadata": {**asked, "value": str(messages_a_pod)},
        "authenticationRef": {"name": "rabbitmq"},
    }
