"""The table of findings: the single source of their codes, levels and meanings; the documentation is made from it."""

from typing import Final, Literal, NamedTuple

Level = Literal["ok", "warning", "problem"]


class Kind(NamedTuple):
    """One row: whether something is wrong (``problem``) or should be known (``warning``), what it means, what helps."""

    level: Level
    meaning: str
    remedy: str


def _problem(meaning: str, remedy: str) -> Kind:
    return Kind("problem", meaning, remedy)


def _warning(meaning: str, remedy: str) -> Kind:
    return Kind("warning", meaning, remedy)


KINDS: Final[dict[str, Kind]] = {
    "ok": Kind("ok", "Looked at and found well.", ""),
    "not-checked": _warning("A check could not be made; what kept it from looking is said.", "see what it says"),
    # the command line's side
    "python-old": _problem("Lading needs Python 3.11 or newer.", "install Lading with a newer Python"),
    "tool-missing": _problem("A program that Lading works with is not installed.", "install it"),
    "manifest": _problem("The manifest has problems, or there is none to be read.", "lading check"),
    "manifest-advice": _warning("The manifest is valid, and something in it deserves a second look.", "lading check"),
    "env-tracked": _problem(
        "git tracks an environment file: whoever can read the repository has its secrets.",
        "git rm --cached FILE, add it to .gitignore, and change the secrets in it: the history still has them",
    ),
    "unpinned": _problem(
        "A requirements file does not pin every package by version and hash, so a build would be refused.",
        "lading release prints the command that pins them",
    ),
    "agent-down": _problem(
        "The agent does not run: what serves goes on serving, but nothing starts again what dies.",
        "lading agent start",
    ),
    "agent-silent": _problem(
        "The agent runs or its socket is there, but it does not answer in time.",
        "read the end of agent.log; then end the agent's process and: lading agent start. What serves goes on serving",
    ),
    "agent-version": _warning(
        "Agent and command line are of different versions.", "lading agent stop, then lading agent start"
    ),
    "agent-refused": _problem(
        "Agent and command line speak different versions of the interface, or the socket is for somebody else.",
        "install the same version on both sides; run the command as the agent's user",
    ),
    "clock-skew": _warning(
        "The clocks of this machine and of the agent's differ: bills may seem too old, or from the future.",
        "let both follow a time server",
    ),
    # the host
    "disk-full": _problem(
        "Little space is left where the agent's home lies: rollouts will be refused, programs may fail.",
        "remove what is large and not needed there; the agent prunes its own releases at the end of a rollout",
    ),
    "disk-low": _warning("Space is getting short where the agent's home lies.", "see to more space"),
    "inodes-low": _problem(
        "The file system of the agent's home has few inodes left: files cannot be made although there is space.",
        "remove folders of many small files, such as caches",
    ),
    "engine-none": _warning(
        "A host has no container engine that answers: environments that run images are refused there.",
        "lading host add ssh://root@HOST",
    ),
    "engine-down": _problem(
        "The container engine does not answer: what serves goes on serving, but nothing can be deployed or restarted.",
        "systemctl start docker; its log: journalctl -u docker",
    ),
    "engine-old": _warning(
        "The container engine is older than 20.10, the oldest that Lading is tried with.", "apt-get install docker.io"
    ),
    "engine-stops-all": _warning(
        "The container engine stops every container when it is restarted or upgraded.",
        '"live-restore": true in /etc/docker/daemon.json, then: systemctl reload docker',
    ),
    "engine-swarm": _warning(
        "The container engine is part of a swarm, which excludes live-restore: its restart stops every container.",
        "docker swarm leave, if the swarm is not needed; then set live-restore",
    ),
    "engine-disk-full": _problem(
        "Little space is left where the container engine keeps images: rollouts of images will be refused.",
        "docker system df tells what takes the space; docker image prune removes what nothing names",
    ),
    "memory-low": _warning(
        "Little memory is free: a candidate runs beside what serves, and both need theirs.",
        "end what is not needed, limit services in the manifest (resources), or add memory",
    ),
    "clock-jumped": _warning(
        "The clock was set by hand or jumped since the agent started; ages and expiries may be told wrongly.",
        "let the machine follow a time server",
    ),
    "files-limit": _warning(
        "The agent may open few files: many environments and connections will not fit.",
        "raise the limit (ulimit -n 4096) where the agent is started, then restart it",
    ),
    "core-dumps": _warning(
        "Programs of this host may leave core files, and a core file holds the secrets a program had in memory.",
        "ulimit -c 0 where the agent is started, then restart it",
    ),
    "home-open": _problem(
        "Others may write to the agent's home, or list it: they could replace what it runs.", "chmod 711 HOME"
    ),
    "home-owner": _problem(
        "The agent's home belongs to another user than the one who looks.", "run as the user who owns it"
    ),
    "key-open": _problem(
        "A key can be read by others than its owner: whoever read it has all secrets, or can sign as this agent.",
        "chmod 600 FILE; then change the secrets, or lading trust rotate",
    ),
    "socket-open": _problem(
        "The agent's socket is open to others: whoever can open it may do everything.",
        "lading agent stop, then lading agent start",
    ),
    "logs-large": _warning(
        "Logs take a lot of space; those of instances and of the agent are kept within bounds by the agent itself.",
        "see which file grows, and whether the agent runs",
    ),
    "unencrypted": _warning(
        "The disk of the agent's home is not encrypted, as far as can be seen: who has the disk has the data of the "
        "programs. Secrets are encrypted, with a key on the same disk.",
        "put the home on a LUKS volume, or on a disk that the provider encrypts (that cannot be seen from here)",
    ),
    # what the agent knows
    "journal-damaged": _problem(
        "The journal does not pass SQLite's own check.",
        "stop the agent, keep journal.db*, and put journal.copy.db in its place; the agent's page says how",
    ),
    "journal-copy-old": _warning("The journal's copy is older than two days.", "see agent.log for why it is not made"),
    "alert": _problem(
        "An environment carries an alert: a rollout got stuck, the old release serves, somebody has to look.",
        "deploy what should serve: that clears it",
    ),
    "rollout-waits": _warning(
        "A rollout waits for something before it can go on, or has been running for very long.",
        "see what it waits for; lading cancel turns it back",
    ),
    "instance-down": _problem(
        "An instance that should serve does not run; the agent tries to start it again.", "lading logs ENVIRONMENT"
    ),
    "instance-restarts": _warning("An instance was started again several times.", "lading logs ENVIRONMENT"),
    "orphan-instance": _warning(
        "An instance runs that no environment and no rollout knows.", "the agent ends it by itself; else restart it"
    ),
    "orphan-process": _warning(
        "A process or control group of an instance is left over that nobody knows any more.",
        "end the process; an empty group goes with rmdir",
    ),
    "router-down": _problem(
        "The router does not run or does not answer: nothing can be reached.",
        "the agent starts it again within a second; if not, router/traefik.log says why",
    ),
    "port-taken": _problem(
        "Another program holds a port that the router needs.", "end that program, or change the port in agent.toml"
    ),
    "certificate-missing": _warning(
        "An environment should answer by TLS and has no certificate yet: browsers refuse to go there.",
        "see that its domain leads to this host, on ports 80 and 443; traefik.log in the router's directory says more",
    ),
    "certificate-ends": _warning(
        "A certificate ends soon: one from files must be replaced, one by ACME should have been renewed by now.",
        "put a new one where the manifest says; by ACME: see that the domain leads to this host, and read traefik.log",
    ),
    "certificate-ended": _problem(
        "A certificate has ended: browsers refuse to go there.", "put a new one where the manifest says"
    ),
    "certificate-refused": _problem(
        "A certificate's file changed and does not fit; the one before is still shown.",
        "put certificate and key there that belong together; they are looked at again at once",
    ),
    "secrets-unreadable": _problem(
        "Stored secrets cannot be read: nothing that needs them can start again.",
        "restore the key and the files from a backup; the error says which",
    ),
    "secrets-lacking": _warning(
        "A secret that the serving release requires is missing or a placeholder now: the next deploy is refused.",
        "lading secrets edit ENVIRONMENT",
    ),
    "outputs-store": _problem(
        "The object store for what jobs leave does not answer, or does not take the environment's key.",
        "look at [environments.NAME.outputs] and its secrets",
    ),
    "outputs-unsent": _problem(
        "Files that runs of jobs left cannot be sent to the environment's object store; they stay on the host.",
        "lading outputs ENVIRONMENT RUN",
    ),
    "host-bare": _problem(
        "A machine has no Lading that `lading host add` has made.", "lading host add ssh://root@HOST"
    ),
    "service-off": _problem(
        "Nothing starts the agent of a host again when it ends, or after a reboot.", "lading host add ssh://root@HOST"
    ),
    "service-until-boot": _warning(
        "A host has no systemd: a supervisor keeps its agent running, and nothing starts that after a reboot.",
        "have whatever starts the machine run: setsid /opt/lading/supervise &",
    ),
    "router-unit": _problem(
        "systemd does not hold a host's router or its ports: a unit is missing, off, failed, or names other ports.",
        "lading host add ssh://root@HOST",
    ),
    "nobody-deploys": _warning(
        "Only root may ask the agent of a host.", "lading host add ssh://root@HOST, which makes a user for it"
    ),
    "clock-free": _warning("No time server sets a host's clock: it will go wrong.", "timedatectl set-ntp true"),
    "port-foreign": _warning(
        "A port that environments with a domain are served on belongs to another program.",
        "end that program, or change http_port or https_port in agent.toml",
    ),
    "sshd-forwarding": _warning(
        "A host's sshd leads to no sockets: its agent is reached by a program there, which is slower.",
        "AllowStreamLocalForwarding local in sshd_config, then: systemctl reload ssh",
    ),
    "sshd-passwords": _warning(
        "A host's sshd lets people in by password, which can be guessed.",
        "PasswordAuthentication no in sshd_config, then: systemctl reload ssh",
    ),
    "firewall": _warning(
        "A host's firewall may drop what environments with a domain are asked.",
        "let ports 80 and 443 pass where visitors are meant to come",
    ),
}
