"""Who answers requests from outside: adapters of the Router port."""
