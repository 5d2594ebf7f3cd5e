"""Kubernetes' Pod Security Standards, policy `restricted`, as a function over a pod.

Rules are named as on the page "Pod Security Standards" of the Kubernetes documentation, as of the oldest version that
the charts support; `restricted` includes `baseline`. Exemptions for Windows and for user namespaces are left out: our
pods need none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.chart.pods import Pod

Rule = Callable[[Pod], Iterator[str]]

_SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SELINUX_TYPES = frozenset({"container_engine_t", "container_init_t", "container_kvm_t", "container_t"})
_HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")


def findings(pod: Pod) -> list[str]:
    """Return each violation as a sentence that begins with the rule's name."""
    return [f"{pod.owner}: {name}: {said}" for name, rule in RULES.items() for said in rule(pod)]


def _contexts(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the security contexts by where they are: the pod's first, then each container's."""
    yield "the pod", pod.spec.get("securityContext") or {}
    for container in pod.containers():
        yield container["name"], container.get("securityContext") or {}


def _at(context: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = context
    for key in path:
        value = (value or {}).get(key)
    return value


def _set_in(pod: Pod, *path: str) -> Iterator[tuple[str, Any]]:
    """Return where a field of a security context is set, and to what."""
    for where, context in _contexts(pod):
        value = _at(context, path)
        if value is not None:
            yield where, value


def _effective(pod: Pod, *path: str) -> Iterator[tuple[str, Any]]:
    """Return each container's value of a field: its own, or else the pod's."""
    of_the_pod = _at(pod.spec.get("securityContext") or {}, path)
    for container in pod.containers():
        own = _at(container.get("securityContext") or {}, path)
        yield container["name"], of_the_pod if own is None else own


def _host_process(pod: Pod) -> Iterator[str]:
    yield from (f"{where} is one" for where, value in _set_in(pod, "windowsOptions", "hostProcess") if value)


def _host_namespaces(pod: Pod) -> Iterator[str]:
    yield from (f"{key} is true" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(key))


def _privileged(pod: Pod) -> Iterator[str]:
    yield from (f"{where} is privileged" for where, value in _set_in(pod, "privileged") if value)


def _capabilities(pod: Pod) -> Iterator[str]:
    for container in pod.containers():
        capabilities = (container.get("securityContext") or {}).get("capabilities") or {}
        if "ALL" not in (capabilities.get("drop") or ()):
            yield f"{container['name']} does not drop ALL"
        added = sorted(set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"})
        if added:
            yield f"{container['name']} adds {', '.join(added)}"


def _volumes(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.get("volumes") or ():
        kinds = set(volume) - {"name"}
        yield from (f"volume {volume['name']} is a {kind}" for kind in sorted(kinds - _VOLUMES - {"hostPath"}))


def _host_path(pod: Pod) -> Iterator[str]:
    yield from (f"volume {volume['name']}" for volume in pod.spec.get("volumes") or () if "hostPath" in volume)


def _host_ports(pod: Pod) -> Iterator[str]:
    for container in pod.containers():
        ports = [port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")]
        yield from (f"{container['name']} takes {port}" for port in ports)


def _host_probes(pod: Pod) -> Iterator[str]:
    for container in pod.containers():
        lifecycle = container.get("lifecycle") or {}
        handlers = {key: container.get(key) for key in _HANDLERS} | {key: lifecycle.get(key) for key in lifecycle}
        for key, handler in handlers.items():
            for action in ("httpGet", "tcpSocket"):
                if ((handler or {}).get(action) or {}).get("host"):
                    yield f"{container['name']}: {key} names a host"


def _apparmor(pod: Pod) -> Iterator[str]:
    allowed = ("RuntimeDefault", "Localhost")
    yield from (f"{where}: {v}" for where, v in _set_in(pod, "appArmorProfile", "type") if v not in allowed)


def _selinux(pod: Pod) -> Iterator[str]:
    for where, options in _set_in(pod, "seLinuxOptions"):
        if options.get("type") and options["type"] not in _SELINUX_TYPES:
            yield f"{where}: type {options['type']}"
        yield from (f"{where} sets {key}" for key in ("user", "role") if options.get(key))


def _proc_mount(pod: Pod) -> Iterator[str]:
    yield from (f"{where}: {value}" for where, value in _set_in(pod, "procMount") if value != "Default")


def _sysctls(pod: Pod) -> Iterator[str]:
    for _, sysctls in _set_in(pod, "sysctls"):
        yield from (sysctl["name"] for sysctl in sysctls if sysctl["name"] not in _SAFE_SYSCTLS)


def _escalation(pod: Pod) -> Iterator[str]:
    for container in pod.containers():
        if (container.get("securityContext") or {}).get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} does not refuse it"


def _non_root(pod: Pod) -> Iterator[str]:
    yield from (f"{where} may run as root" for where, value in _effective(pod, "runAsNonRoot") if value is not True)
    yield from (f"{where} sets runAsNonRoot: false" for where, v in _set_in(pod, "runAsNonRoot") if v is False)


def _non_root_user(pod: Pod) -> Iterator[str]:
    yield from (f"{where} sets runAsUser: 0" for where, value in _set_in(pod, "runAsUser") if value == 0)


def _seccomp(pod: Pod) -> Iterator[str]:
    allowed = ("RuntimeDefault", "Localhost")
    effective = _effective(pod, "seccompProfile", "type")
    yield from (f"{where}: {value or 'not set'}" for where, value in effective if value not in allowed)
    yield from (f"{w}: {v}" for w, v in _set_in(pod, "seccompProfile", "type") if w == "the pod" and v not in allowed)


RULES: dict[str, Rule] = {
    "HostProcess": _host_process,
    "Host Namespaces": _host_namespaces,
    "Privileged Containers": _privileged,
    "Capabilities": _capabilities,
    "HostPath Volumes": _host_path,
    "Host Ports": _host_ports,
    "Host Probes / Lifecycle Hooks": _host_probes,
    "AppArmor": _apparmor,
    "SELinux": _selinux,
    "/proc Mount Type": _proc_mount,
    "Sysctls": _sysctls,
    "Volume Types": _volumes,
    "Privilege Escalation": _escalation,
    "Running as Non-root": _non_root,
    "Running as Non-root user": _non_root_user,
    "Seccomp": _seccomp,
}
