"""Variables that name a server as containers find it, for a program that runs outside of their network."""

import re
from collections.abc import Mapping

# What a variable is called that holds nothing but a host; of another one, such a value may mean anything.
_HOLDS_A_HOST = re.compile(r"(^|_)(HOST|HOSTNAME|SERVER|ADDR|ADDRESS)($|_)", re.IGNORECASE)


class Addresses:
    """Puts addresses in the place of names: ``hosts`` has one for each."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        names = "|".join(re.escape(name) for name in sorted(hosts, key=len, reverse=True))
        # Only where a host must be meant: after the beginning of a URL, or with a port behind it.
        self._in_url = re.compile(rf"(\w[\w+.-]*://(?:[^\s/?#]*@)?)({names})(?=[:/?#,\s]|$)") if names else None
        self._with_port = re.compile(rf"(^|[\s,@])({names})(?=:\d+(?:[\s,/]|$))") if names else None

    def put_into(self, variable: str, value: str) -> str:
        """Return the value of a variable with every name that must mean a host replaced by its address."""
        if self._in_url is None or self._with_port is None:
            return value
        if value in self._hosts and _HOLDS_A_HOST.search(variable):
            return self._hosts[value]
        return self._with_port.sub(self._address, self._in_url.sub(self._address, value))

    def _address(self, found: re.Match[str]) -> str:
        return f"{found[1]}{self._hosts[found[2]]}"
