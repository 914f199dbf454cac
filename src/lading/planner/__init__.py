"""Pure: (release, configuration, what is observed, policy) → Plan; one strategy a file."""
