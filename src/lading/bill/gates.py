"""The names that gates have in statements, and what a gate of each name means.

An environment's rollout signs ``rollout`` (everything passed; facts: ``checks``, ``requests``, ``lost_requests``,
``seconds``, ``router_errors``), ``smoke`` (facts: ``checks``) and ``watch``. A gate of one's own comes from
``lading attest GATE -- COMMAND`` (facts: ``command``, ``exit``, ``seconds``; environment ""). The other names below
are Lading's own and cannot be attested by a command.
"""

from typing import Final

ROLLOUT: Final = "rollout"
SMOKE: Final = "smoke"
WATCH: Final = "watch"

# A trusted agent takes the whole release back, whatever ``passed`` says; only its own REINSTATED lifts that.
REVOKED: Final = "revoked"
REINSTATED: Final = "reinstated"
# A source agent's present word, over the receiver's nonce; facts["gates"] maps "environment/gate" to passed.
VERDICT: Final = "verdict"
# A person's consent to this digest in this environment, signed with a personal SSH key.
APPROVAL: Final = "approval"
# An old key introduces the key that follows it.
ROTATION: Final = "rotation"

RESERVED: Final = frozenset({ROLLOUT, SMOKE, WATCH, REVOKED, REINSTATED, VERDICT, APPROVAL, ROTATION})

# Gates that are suites: without a single check they passed nothing, whatever they say.
SUITES: Final = frozenset({ROLLOUT, SMOKE})
