"""Local folders for a pod's volumes and its containers' mounts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.cluster.node_agent.environment import ConfigError, field
from rehearsal.cluster.node_agent.pod_objects import PodObjects

__all__ = ["MountError", "mounts", "prepare_volumes"]


class MountError(Exception):
    """A volume is not available (yet); the kubelet reports FailedMount and retries."""


async def prepare_volumes(
    pod: Mapping[str, Any], folder: Path, objects: PodObjects, *, address: str
) -> dict[str, Path]:
    """Create each volume's folder.

    Args:
        pod: The manifest.
        folder: Folder of the pod.
        objects: Reads claims, ConfigMaps and Secrets.
        address: Address of the pod.

    Returns:
        Folder by the volume's name.

    Raises:
        MountError: A referenced object does not exist, or is of an unsupported kind.
        ApiError: The API server does not answer.
    """
    found = {}
    for volume in pod["spec"].get("volumes") or ():
        own = folder / "volumes" / volume["name"]
        own.mkdir(parents=True, exist_ok=True)
        found[volume["name"]] = await _folder(volume, pod, own, objects, address)
    return found


def mounts(container: Mapping[str, Any], volumes: Mapping[str, Path]) -> dict[str, Path]:
    """Folder by mount path.

    Raises:
        ConfigError: A mount uses an unsupported field.
    """
    result = {}
    for mount in container.get("volumeMounts") or ():
        if mount.get("subPathExpr"):
            raise ConfigError(f"mount {mount['name']}: the node agent supports subPath, but not subPathExpr")
        result[mount["mountPath"]] = volumes[mount["name"]] / mount.get("subPath", "")
    return result


async def _folder(
    volume: Mapping[str, Any], pod: Mapping[str, Any], own: Path, objects: PodObjects, address: str
) -> Path:
    if "emptyDir" in volume:
        return own
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    if "persistentVolumeClaim" in volume:
        return await _claimed(volume["persistentVolumeClaim"]["claimName"], pod["metadata"]["namespace"], objects)
    if "projected" in volume:
        for source in volume["projected"].get("sources") or ():
            await _write(source, pod, own, objects, address)
        return own
    await _write(volume, pod, own, objects, address)
    return own


async def _claimed(claim: str, namespace: str, objects: PodObjects) -> Path:
    claim_object = await objects.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}")
    if claim_object is None:
        raise MountError(f'persistentvolumeclaim "{claim}" not found')
    name = claim_object["spec"].get("volumeName")
    volume = await objects.get(f"/api/v1/persistentvolumes/{name}") if name else None
    if volume is None:
        raise MountError(f'persistentvolumeclaim "{claim}" is not bound')
    for kind in ("hostPath", "local"):
        if kind in volume["spec"]:
            return Path(volume["spec"][kind]["path"])
    raise MountError(f"persistentvolume {name}: expected hostPath or local, the node agent supports no other kind")


async def _write(
    source: Mapping[str, Any], pod: Mapping[str, Any], own: Path, objects: PodObjects, address: str
) -> None:
    """The files of a ConfigMap, a Secret or the downward API, without service account tokens."""
    if "serviceAccountToken" in source:
        return
    if (downward := source.get("downwardAPI")) is not None:
        for item in downward.get("items") or ():
            try:
                _file(own, item["path"], field(pod, item["fieldRef"]["fieldPath"], address=address).encode())
            except (ConfigError, KeyError) as exc:
                raise MountError(f"downwardAPI {item['path']}: {exc}") from exc
        return
    kind = "ConfigMap" if "configMap" in source else "Secret"
    reference = source.get("configMap") or source.get("secret")
    if not reference:
        known = "emptyDir, hostPath, persistentVolumeClaim, configMap, secret, projected and downwardAPI"
        raise MountError(f"volume {source.get('name', '')}: the node agent supports {known}")
    name = reference.get("name") or reference["secretName"]
    entries = await objects.entries(kind, pod["metadata"]["namespace"], name)
    if entries is None and not reference.get("optional"):
        raise MountError(f'{kind.lower()} "{name}" not found')
    items = {item["key"]: item["path"] for item in reference.get("items") or ()}
    for key, content in (entries or {}).items():
        if not items or key in items:
            _file(own, items.get(key, key), content)
    missing = items.keys() - (entries or {}).keys()
    if missing and not reference.get("optional"):
        raise MountError(f"{kind.lower()} {name} references non-existent config key: {min(missing)}")


def _file(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
