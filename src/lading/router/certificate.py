"""A certificate that no client is ever shown, so that Traefik need not make one at every change of routes.

Without a default certificate Traefik makes a new RSA key each time it loads its routes: 20 to 300 ms.
"""

import datetime
from pathlib import Path

from lading.router.identity import write_whole

LIFETIME = datetime.timedelta(days=36500)


def ensure_certificate(root: Path) -> dict[str, str]:
    """Return the files of the placeholder certificate below ``root``, made on first use."""
    cert, key = root / "placeholder.crt", root / "placeholder.key"
    if not (cert.exists() and key.exists()):
        _make(cert, key)
    return {"certFile": str(cert), "keyFile": str(key)}


def _make(cert: Path, key: Path) -> None:
    # Heavy, and needed once in the life of a root.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lading placeholder")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=x509.random_serial_number(),
        # A clock that was wrong at the first start must not matter.
        not_valid_before=now - LIFETIME / 4,
        not_valid_after=now + LIFETIME / 2,
    )
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_whole(key, private.private_bytes(pem, pkcs8, plain))
    key.chmod(0o600)
    write_whole(cert, builder.sign(private, hashes.SHA256()).public_bytes(pem))
