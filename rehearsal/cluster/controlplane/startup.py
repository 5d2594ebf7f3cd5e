"""Starts a cluster: the order of its programs and objects, how objects are applied, and what each needs first.

Nothing waits for a fixed time: each program has a health check (`Component.healthy`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rehearsal.cluster.api.client import CHANGE_S, BlockingApiClient, Request, apply, patch
from rehearsal.cluster.connection import ClusterConnection, write_connection
from rehearsal.cluster.controlplane import kubernetes, platform, python_components
from rehearsal.cluster.controlplane.base_objects import (
    CANARY,
    base_objects,
    definitions,
    keda_objects,
    keda_webhooks,
    kserve_objects,
    kserve_webhooks,
)
from rehearsal.cluster.controlplane.layout import ClusterLayout
from rehearsal.cluster.controlplane.process_manager import Component, NotYet, ProcessManager
from rehearsal.cluster.monitoring.custom_resources import ClientCertificate, ScrapeTargets, monitoring_objects
from rehearsal.cluster.nodes.pools import node_objects, system_node
from rehearsal.errors import ApiError, NotHealthy

__all__ = ["apply_all", "bring_up"]

Tell = Callable[[str, float], None]
_FIRST_S, _ALL_S = 60.0, 120.0

_AT_ONCE = 6
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def bring_up(layout: ClusterLayout, processes: ProcessManager, connection: ClusterConnection, tell: Tell) -> None:
    """Start everything, and return when all programs are healthy.

    Args:
        layout: The cluster's layout.
        processes: Empty; gets every program that was started, also if this fails.
        connection: Written as soon as the API server responds.
        tell: Called with each healthy program and the seconds since the start.

    Raises:
        ClusterError: A program ends, or is not healthy in time.
    """
    try:
        _bring_up(layout, processes, connection, tell)
    except (NotYet, ApiError) as exc:
        raise NotHealthy(f"the kube-apiserver rejected an object: {exc}") from exc


def _bring_up(layout: ClusterLayout, processes: ProcessManager, connection: ClusterConnection, tell: Tell) -> None:
    api = BlockingApiClient.from_kubeconfig(layout.kubeconfig)
    for component in (kubernetes.etcd(layout), kubernetes.apiserver(layout, api)):
        processes.start(component)
        processes.wait_healthy([component.name], timeout_s=_FIRST_S, tell=tell)
    write_connection(connection)
    apply_all(api, base_objects(layout))
    with ThreadPoolExecutor(1) as pool:
        defined = pool.submit(_define, layout, api)
        for component in kubernetes.controllers(layout, api):
            processes.start(component)
        apply_all(api, [system_node(), CANARY])
        defined.result()
    _platform(layout, api, processes)
    processes.wait_healthy(processes.names, timeout_s=_ALL_S, tell=tell)


def _define(layout: ClusterLayout, api: BlockingApiClient) -> None:
    """Create every definition, and wait until the server serves its kinds."""
    expected = definitions(layout)
    define_all(api, expected.values())
    plurals: dict[str, set[str]] = {}
    for name in expected:
        plural, _, group = name.partition(".")
        plurals.setdefault(group, set()).add(plural)

    def all_served() -> None:
        for group, names in plurals.items():
            if missing := names - served(api, group):
                raise NotYet(f"{group}: expected the server to serve {', '.join(sorted(missing))}")

    _retry_until_healthy(all_served)


def _platform(layout: ClusterLayout, api: BlockingApiClient, processes: ProcessManager) -> None:
    targets = ScrapeTargets(
        keda_operator=layout.listener("keda-operator-metrics"),
        keda_adapter=layout.listener("keda-adapter-metrics"),
        kube_state_metrics=layout.listener("kube-state-metrics"),
        karpenter=layout.listener("karpenter-metrics"),
    )
    admin = layout.pki.admin
    client = ClientCertificate(authority=layout.pki.authority, certificate=admin.certificate, key=admin.key)
    apply_all(
        api,
        [
            *kserve_objects(layout),
            *keda_objects(layout),
            *monitoring_objects(client, targets, apiserver_url=layout.apiserver_url),
            *node_objects(layout.nodes),
        ],
    )
    components: list[Component] = [
        platform.kserve(layout, api),
        *platform.keda(layout, api),
        platform.karpenter(layout, api),
        platform.kube_state_metrics(layout),
        platform.prometheus_operator(layout, api),
        platform.prometheus(layout),
        python_components.monitoring(layout),
        python_components.gateway(layout),
        python_components.agent(layout),
    ]
    for component in components:
        processes.start(component)
    apply_all(api, [*kserve_webhooks(layout), *keda_webhooks(layout)])


def _retry_until_healthy(action: Callable[[], None]) -> None:
    deadline_s = time.monotonic() + _FIRST_S
    while True:
        try:
            return action()
        except (NotYet, ApiError) as exc:
            if time.monotonic() > deadline_s:
                raise NotHealthy(f"{exc}, still after {_FIRST_S:.0f} s") from exc
            time.sleep(0.1)


def apply_all(api: BlockingApiClient, objects: Iterable[Mapping[str, Any]]) -> None:
    """Apply every object and its status, namespaces before their contents; raises ApiError."""

    def one(item: Mapping[str, Any]) -> None:
        request = apply(item)
        api.send(request)
        if "status" in item:
            api.send(patch(f"{request.url}/status", {"status": item["status"]}))

    items = list(objects)
    namespaces = [item for item in items if item["kind"] == "Namespace"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for group in (namespaces, [item for item in items if item not in namespaces]):
            list(pool.map(one, group))


def define_all(api: BlockingApiClient, definitions: Iterable[str]) -> None:
    """Create CustomResourceDefinitions, in YAML; raises ApiError."""
    headers = {"Content-Type": "application/yaml"}
    new = [
        Request(method="POST", url=_DEFINITIONS, content=text, headers=headers, timeout=CHANGE_S)
        for text in definitions
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(api.send, new))


def served(api: BlockingApiClient, group: str) -> set[str]:
    """Plurals of the kinds that the server serves in a group; empty if it does not know the group."""
    try:
        versions = [each["groupVersion"] for each in api.get(f"/apis/{group}")["versions"]]
    except ApiError:
        return set()
    return {kind["name"] for version in versions for kind in api.get(f"/apis/{version}")["resources"]}
