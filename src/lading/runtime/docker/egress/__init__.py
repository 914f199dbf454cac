"""What a container may reach outside of its environment: rules of the host's firewall, and a gate that they lead to.

A confined container has an address of its own. Rules for that address stand before its program can send anything:
the other programs of its environment are reached directly, addresses of allowed endpoints too, every other connection
and every question for a name is led to the gate, the rest is dropped. The gate is a small process of its own that
outlives the agent. It passes on what is allowed by name, answers for allowed names alone, keeps the addresses in the
rules fresh, and writes down what it refused. While it is away nothing gets out.
"""
