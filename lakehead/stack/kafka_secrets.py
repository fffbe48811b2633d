"""What a secured broker is known by, made at its first start: a certificate and a password.

The authority signs one certificate and its key is forgotten: nobody can make another that the
home's clients would trust. All of it lies in ``HOME/secrets``, for nobody but the owner.
"""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lakehead.errors import UserError
from lakehead.files import write_private
from lakehead.settings import Settings

if TYPE_CHECKING:
    from cryptography.x509 import KeyUsage

# The common name by which the broker is known when it asks the controller.
BROKER = "lakehead-broker"
_DAYS = 3650
_SOON = timedelta(days=30)
_PASSWORD_BYTES = 32


def broker_identity(settings: Settings) -> Path:
    """Key and certificate of the broker, PEM."""
    return settings.secrets / "kafka-broker.pem"


def authority(settings: Settings) -> Path:
    """The certificate that clients trust, PEM."""
    return settings.secrets / "kafka-ca.pem"


def password(settings: Settings) -> Path:
    """The password of the stack itself."""
    return settings.secrets / "kafka-password"


def ensure(settings: Settings) -> None:
    """Make what is missing; what is there stays.

    Raises:
        UserError: the certificate has run out, or will within a month.
    """
    settings.secrets.mkdir(parents=True, exist_ok=True)
    settings.secrets.chmod(0o700)
    if not password(settings).exists():
        write_private(password(settings), secrets.token_urlsafe(_PASSWORD_BYTES))
    pair = (authority(settings), broker_identity(settings))
    if not all(path.exists() for path in pair):
        for path, text in zip(pair, _certificates(), strict=True):
            write_private(path, text)
    _check_time(settings)


def _check_time(settings: Settings) -> None:
    from cryptography import x509

    path = authority(settings)
    ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    if ends - datetime.now(UTC) < _SOON:
        raise UserError(
            f"the broker's certificate in {path} ends on {ends:%Y-%m-%d}",
            f"lakehead down; rm {path}; lakehead up   (clients elsewhere need the new {path.name})",
        )


def _certificates() -> tuple[str, str]:
    """PEM of the authority; and of the broker, its key and its certificate."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    began = datetime.now(UTC) - timedelta(minutes=5)
    authority_key, broker_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("lakehead home"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + timedelta(days=_DAYS))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )

    root = (
        builder("lakehead home", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    broker = (
        builder(BROKER, broker_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = broker_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = serialization.Encoding.PEM
    return root.public_bytes(pem).decode(), (key + broker.public_bytes(pem)).decode()


def _usage(sign: bool) -> "KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
