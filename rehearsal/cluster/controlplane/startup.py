"""From nothing to a cluster that does its work: what is started when, and what must be there before.

Nothing waits for a time to pass: each program is asked for its work (`Component.healthy`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rehearsal.cluster.api.client import BlockingApiClient
from rehearsal.cluster.connection import Connection, write_connection
from rehearsal.cluster.controlplane import kubernetes, platform, python_components
from rehearsal.cluster.controlplane.apply import apply_all, define_all, served
from rehearsal.cluster.controlplane.base_objects import (
    CANARY,
    base_objects,
    definitions,
    keda_objects,
    keda_webhooks,
    kserve_objects,
    kserve_webhooks,
)
from rehearsal.cluster.controlplane.component import Component, NotYet
from rehearsal.cluster.controlplane.layout import Site
from rehearsal.cluster.controlplane.process_manager import Fleet
from rehearsal.cluster.monitoring.custom_resources import ClientCertificate, ScrapeTargets, monitoring_objects
from rehearsal.cluster.nodes.pools import node_objects, system_node
from rehearsal.errors import ApiError, NotHealthy

__all__ = ["bring_up"]

Tell = Callable[[str, float], None]
_FIRST_S, _ALL_S = 60.0, 120.0


def bring_up(site: Site, fleet: Fleet, connection: Connection, tell: Tell) -> None:
    """Start everything, and return when all of it works.

    Args:
        site: What was decided before.
        fleet: Empty; holds every program that was started, also when this fails.
        connection: Written as soon as the API server answers.
        tell: Told each program that works, and after how many seconds.

    Raises:
        ClusterError: A program ends, or does not work in time.
    """
    try:
        _bring_up(site, fleet, connection, tell)
    except (NotYet, ApiError) as exc:
        raise NotHealthy(f"the kube-apiserver did not take what it was given: {exc}") from exc


def _bring_up(site: Site, fleet: Fleet, connection: Connection, tell: Tell) -> None:
    api = BlockingApiClient.from_kubeconfig(site.kubeconfig)
    for component in (kubernetes.etcd(site), kubernetes.apiserver(site, api)):
        fleet.start(component)
        fleet.wait_healthy([component.name], timeout_s=_FIRST_S, tell=tell)
    write_connection(connection)
    apply_all(api, base_objects(site))
    with ThreadPoolExecutor(1) as pool:
        defined = pool.submit(_define, site, api)
        for component in kubernetes.controllers(site, api):
            fleet.start(component)
        apply_all(api, [system_node(), CANARY])
        defined.result()
    _platform(site, api, fleet)
    fleet.wait_healthy(fleet.names, timeout_s=_ALL_S, tell=tell)


def _define(site: Site, api: BlockingApiClient) -> None:
    """Create every definition, and wait until the server serves what they define."""
    wanted = definitions(site)
    define_all(api, wanted.values())
    plurals: dict[str, set[str]] = {}
    for name in wanted:
        plural, _, group = name.partition(".")
        plurals.setdefault(group, set()).add(plural)

    def all_served() -> None:
        for group, names in plurals.items():
            if missing := names - served(api, group):
                raise NotYet(f"{group}: expected the server to know {', '.join(sorted(missing))}")

    _eventually(all_served)


def _platform(site: Site, api: BlockingApiClient, fleet: Fleet) -> None:
    targets = ScrapeTargets(
        keda_operator=site.listener("keda-operator-metrics"),
        keda_adapter=site.listener("keda-adapter-metrics"),
        kube_state_metrics=site.listener("kube-state-metrics"),
        karpenter=site.listener("karpenter-metrics"),
    )
    admin = site.pki.admin
    client = ClientCertificate(authority=site.pki.authority, certificate=admin.certificate, key=admin.key)
    apply_all(
        api,
        [
            *kserve_objects(site),
            *keda_objects(site),
            *monitoring_objects(client, targets, apiserver_url=site.apiserver_url),
            *node_objects(site.nodes),
        ],
    )
    components: list[Component] = [
        platform.kserve(site, api),
        *platform.keda(site, api),
        platform.karpenter(site, api),
        platform.kube_state_metrics(site),
        platform.prometheus_operator(site, api),
        platform.prometheus(site),
        python_components.monitoring(site),
        python_components.gateway(site),
        python_components.agent(site),
    ]
    for component in components:
        fleet.start(component)
    apply_all(api, [*kserve_webhooks(site), *keda_webhooks(site)])


def _eventually(action: Callable[[], None]) -> None:
    deadline_s = time.monotonic() + _FIRST_S
    while True:
        try:
            return action()
        except (NotYet, ApiError) as exc:
            if time.monotonic() > deadline_s:
                raise NotHealthy(f"{exc}; not so after {_FIRST_S:.0f} s") from exc
            time.sleep(0.1)
