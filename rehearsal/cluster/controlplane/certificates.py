"""The certificates of one cluster, from one CA that is created and deleted with it.

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
"""Common name of the kube-apiserver's client certificate for aggregated servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its key: PEM files in one folder, with the names that controllers expect."""

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
    """All certificates of a cluster.

    Attributes:
        authority: PEM file of the CA that all programs trust.
        server: Certificate of every server of the cluster.
        admin: Client certificate in the group system:masters.
        front_proxy: Client certificate of the kube-apiserver for aggregated servers.
        service_accounts: PEM file of the key that signs service accounts' tokens.
    """

    authority: Path
    server: KeyPair
    admin: KeyPair
    front_proxy: KeyPair
    service_accounts: Path

    @property
    def authority_base64(self) -> str:
        """The CA certificate for `caBundle`."""
        return base64.b64encode(self.authority.read_bytes()).decode()


def make_certificates(folder: Path, *, network: str) -> Certificates:
    """Create the certificates.

    Args:
        folder: Created, readable by its owner only.
        network: First two bytes of the cluster's loopback network.
    """
    # A client needs no host name, but Go rejects a certificate without one.
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
    authority.cert_pem.write_to_path(folder / "ca.crt")  # KEDA expects it beside the pair
    return pair
