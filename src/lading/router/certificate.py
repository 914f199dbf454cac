"""A certificate that no client is ever shown, so that Traefik need not make one at every change of routes.

Without a default certificate Traefik makes a new RSA key each time it loads its routes: 20 to 300 ms. It is made by a
program of its own, ``python -m lading.router.certificate ROOT``: once in the life of a root, while the libraries that
make it would stay in the agent's memory, four megabytes.
"""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import lading
from lading.model.errors import LadingError
from lading.router.identity import write_whole

LIFETIME = datetime.timedelta(days=36500)
MAKING = 30.0  # seconds that making it may take; it takes a tenth of one


def ensure_certificate(root: Path) -> dict[str, str]:
    """Return the files of the placeholder certificate below ``root``, made on first use."""
    cert, key = _files(root)
    if not (cert.exists() and key.exists()):
        _have_made(root)
    return {"certFile": str(cert), "keyFile": str(key)}


def _files(root: Path) -> tuple[Path, Path]:
    return root / "placeholder.crt", root / "placeholder.key"


def _have_made(root: Path) -> None:
    words = [sys.executable, "-m", "lading.router.certificate", str(root)]
    environ = program_environment()
    try:
        done = subprocess.run(
            words, env=environ, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MAKING
        )
        said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        said = f"it took longer than {MAKING:g} s"
    if not all(file.exists() for file in _files(root)):
        raise LadingError(
            "router-failed",
            doing=f"make the router's placeholder certificate in {root}",
            happened=said,
            now="the routes in force are untouched",
            hint=f"see that there is space below {root}, then try again",
        )


def program_environment() -> dict[str, str]:
    """Return the environment in which a program of this package finds it."""
    return {**os.environ, "PYTHONPATH": str(Path(lading.__file__).parent.parent)}


def describe(chain: bytes) -> dict[str, object]:
    """Return of the first certificate of a chain until when it holds, and for which names it is."""
    from cryptography import x509

    leaf = x509.load_pem_x509_certificates(chain)[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        dns = []
    return {"not_after": leaf.not_valid_after_utc.timestamp(), "names": dns}


def make(root: Path) -> None:
    """Make the certificate and its key."""
    cert, key = _files(root)
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


if __name__ == "__main__":
    if sys.argv[1] == "--describe":
        sys.stdout.write(json.dumps(describe(sys.stdin.buffer.read())))
    else:
        make(Path(sys.argv[1]))
