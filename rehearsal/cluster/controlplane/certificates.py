"""The certificates of one cluster: one authority, made when the cluster is made, gone with its folder.

pki = make_certificates(folder / "pki", network="127.64")
pki.authority, pki.admin.certificate, pki.server.key
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["Certificates", "KeyPair", "make_certificates"]

_SERVICES = (
    "kubernetes.default.svc",
    "keda-operator.keda.svc",
    "keda-metrics-apiserver.keda.svc",
    "keda-admission-webhooks.keda.svc",
)
FRONT_PROXY = "front-proxy-client"
"""Common name by which the kube-apiserver is known to the servers that it aggregates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate with its key, PEM files in one folder under the names that controllers expect."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """PEM, the chain included."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """PEM."""
        return self.folder / "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """All of a cluster's.

    Attributes:
        authority: PEM file of the one authority that everybody trusts.
        server: Of every server of the cluster.
        admin: A client in the group system:masters.
        front_proxy: The kube-apiserver as a client of the servers it aggregates.
        service_accounts: PEM file of the key that signs service accounts' tokens.
    """

    authority: Path
    server: KeyPair
    admin: KeyPair
    front_proxy: KeyPair
    service_accounts: Path

    @property
    def authority_base64(self) -> str:
        """The authority as `caBundle` wants it."""
        return base64.b64encode(self.authority.read_bytes()).decode()


def make_certificates(folder: Path, *, network: str) -> Certificates:
    """Make them.

    Args:
        folder: Made, and readable for its owner only.
        network: First two bytes of the cluster's loopback network.
    """
    # A client is asked for no host name, but Go refuses a certificate without any.
    folder.mkdir(mode=0o700, parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    names = (f"{network}.0.1", f"{network}.0.2", "127.0.0.1", "localhost", *_SERVICES)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    service_accounts = folder / "service-accounts.key"
    service_accounts.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return Certificates(
        authority=folder / "ca.crt",
        server=_write(authority.issue_cert(*names), folder / "server", authority),
        admin=_write(
            authority.issue_cert("localhost", common_name="rehearsal-admin", organization_name="system:masters"),
            folder / "admin",
            authority,
        ),
        front_proxy=_write(
            authority.issue_cert("localhost", common_name=FRONT_PROXY), folder / "front-proxy", authority
        ),
        service_accounts=service_accounts,
    )


def _write(certificate: trustme.LeafCert, folder: Path, authority: trustme.CA) -> KeyPair:
    folder.mkdir(mode=0o700)
    pair = KeyPair(folder=folder)
    pair.key.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(pair.key)
    pair.certificate.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.crt")  # KEDA looks for it beside the pair
    return pair
