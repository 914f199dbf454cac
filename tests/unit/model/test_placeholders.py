"""What stands in for a secret is told from a secret, and no secret is taken for what stands in for one."""

import pytest

from lading.model.placeholders import placeholder

EVERYWHERE = """
changeme|CHANGE_ME|change-me|Change Me!|changeit|change-this|please-change-me|replace-me|REPLACE_ME|fill-me-in|todo|TODO
TBD|fixme|placeholder|xxx|XXXXXXXX|***|********|...|…|???|---|___|####|<your-key>|<password>|<your secret here>|<...>
[your-key]|[CHANGE ME]|your-key|your-api-key|your_secret_key|YOUR_API_KEY_HERE|your-openai-api-key-here
put-your-key-here|insert your token here|enter-password-here|replace-with-your-token|add-me-here|${JWT_KEY}
{{ jwt_key }}|$(cat key)|%JWT_KEY%|__JWT_KEY__|JWT_KEY|$JWT_KEY|sk-xxxxxxxx|sk_live_xxxxxxxxxxxx
ghp_XXXXXXXXXXXX|•••|abc•••
"""
OUTSIDE = """
secret|Secret|SECRET_KEY|my-secret|super-secret|supersecretkey|password|mypassword|dummy|example|test-key|insecure|unset
django-insecure-3k)p2@4x8|postgres://shop:changeme@db/shop|postgres://shop:password@db/shop|redis://:secret@cache/0
"""
SECRETS = """
hunter2|correct horse battery staple|0000|1234|a|x|xx|x9|none|null|false|true|test|admin|localhost|production|dev|stage
c4nary/4711+"<tweet>&: fly|$2b$12$KIXabcdefghijklmnopqrs|$ECRET|$ecret_Value9|sk-proj-a8Fx2Lq0|ghp_1Xx4xxQ|xkcd
Todor|Todo9|-----BEGIN KEY-----|{"type": "service_account"}|["a", "b"]|[1, 2]
<a@example.org>|Ada <ada@example.org>|<x/>|<k>v</k>
postgres://shop:s3cr3t-9f@db.example.org/shop|https://example.org|user:password9|mailto:ops@example.org|smtp.example.org
yourname|your-horse-battery|my-key|my-bucket|changemes|changed|change|replacement|placeholder-9f1a|secret-9f1a|password1
exchange-this-1|http://[::1]:80/<x>|a.b.c|..|--|a...b|MIIEvQIBADANBgkqhkiG9w0|AKIAIOSFODNN7REAL00|%41%42|100%|__|{}|${|{{
"""


def split(text: str) -> list[str]:
    return [value for line in text.strip().splitlines() for value in line.split("|")]


@pytest.mark.parametrize("value", split(EVERYWHERE))
@pytest.mark.parametrize("tier", ["local", "production"])
def test_a_value_that_asks_to_be_replaced_is_a_placeholder_everywhere(value: str, tier: str) -> None:
    """Such values are no secret on a laptop either, with spaces around them or without."""
    assert placeholder("JWT_KEY", f" {value}\n", tier)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", split(OUTSIDE))
def test_what_every_example_says_is_one_outside_of_a_laptop(value: str) -> None:
    """A laptop may do with such values; a host that others reach may not."""
    assert placeholder("JWT_KEY", value, "stage")
    assert placeholder("JWT_KEY", value, "production")
    assert placeholder("JWT_KEY", value, "local") == ""


@pytest.mark.parametrize("value", split(SECRETS))
def test_a_secret_is_not_taken_for_a_placeholder(value: str) -> None:
    """A false alarm would hold a deploy: weak values, configuration, keys, URLs and JSON pass."""
    assert placeholder("JWT_KEY", value, "production") == ""


def test_the_value_of_the_example_file_is_one_outside_of_a_laptop() -> None:
    """What stands in the repository is no secret, whatever it looks like; on a laptop examples are there to be used."""
    assert ".env.example" in placeholder("JWT_KEY", "9f1a77c2 ", "stage", " 9f1a77c2")
    assert placeholder("JWT_KEY", "9f1a77c2", "local", "9f1a77c2") == ""
    assert placeholder("JWT_KEY", "9f1a77c3", "stage", "9f1a77c2") == ""
    assert placeholder("JWT_KEY", "9f1a77c3", "stage", "") == ""


def test_nothing_but_space_is_empty() -> None:
    """A value of spaces and line ends is none."""
    assert placeholder("JWT_KEY", " \n", "local") == "it is empty"


def test_a_reason_never_repeats_the_value() -> None:
    """What is refused may be close to a real value: the reasons are a handful of fixed sentences."""
    values = [*split(EVERYWHERE), *split(OUTSIDE)]
    assert len({placeholder("JWT_KEY", value, "stage") for value in values}) <= 8
