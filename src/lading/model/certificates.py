"""What is known of an environment's certificate."""

import msgspec


class CertificateState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a certificate comes from (``ACME``, or a file), its last second (since the epoch; None: there is none yet),
    and what keeps a newer one from being taken, in words.
    """

    source: str
    not_after: float | None = None
    trouble: str = ""
