"""Reads classes of pydantic-settings: each field is a variable, named by prefix, alias and the field's own name."""

import ast
from collections.abc import Iterator
from typing import Protocol

from lading.survey.code import Code, Module, keyword, literal
from lading.survey.values import Place, Variable

BASES = frozenset(("pydantic_settings.BaseSettings", "pydantic.BaseSettings", "pydantic_settings.main.BaseSettings"))
FIELDS = ("pydantic.Field", "pydantic.fields.Field")
SECRET_TYPES = ("SecretStr", "SecretBytes")
MOST_BASES = 8  # classes between a settings class and pydantic's own


class Make(Protocol):
    """Makes a variable of what is known of it."""

    def __call__(self, name: str, place: Place, *, required: bool, default: str | None, kind: str = "text") -> Variable:
        """Return the variable."""


def setting_variables(code: Code, module: Module, make: Make) -> Iterator[Variable]:
    """Give the variables of every settings class in a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and _is_settings(code, module, node, MOST_BASES):
            prefix = _prefix(code, node)
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield from _field(code, module, field, field.target.id, prefix, make)


def _is_settings(code: Code, module: Module, node: ast.ClassDef, left: int) -> bool:
    names = [code.canonical(module.full(base)) for base in node.bases]
    if any(name in BASES for name in names):
        return True
    for name in names if left else []:
        owner = code.named(name.rpartition(".")[0])
        last = name.rpartition(".")[2]
        bodies = owner.tree.body if owner is not None else []
        found = next((item for item in bodies if isinstance(item, ast.ClassDef) and item.name == last), None)
        if owner is not None and found is not None and found is not node and _is_settings(code, owner, found, left - 1):
            return True
    return False


def _prefix(code: Code, node: ast.ClassDef) -> str:
    for item in ast.walk(node):
        if isinstance(item, ast.keyword) and item.arg == "env_prefix":
            return code.string(item.value) or ""
        if isinstance(item, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "env_prefix" for target in item.targets
        ):
            return code.string(item.value) or ""
        if isinstance(item, ast.Dict):
            for key, value in zip(item.keys, item.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "env_prefix":
                    return code.string(value) or ""
    return ""


def _field(code: Code, module: Module, field: ast.AnnAssign, name: str, prefix: str, make: Make) -> Iterator[Variable]:
    annotation = ast.dump(field.annotation)
    if name.startswith("_") or name == "model_config" or "ClassVar" in annotation:
        return
    default, alias, required = _value(code, module, field.value)
    written = alias or f"{prefix}{name}".upper()
    kind = "flag" if annotation.startswith("Name(id='bool'") else "text"
    made = make(written, module.place(field), required=required, default=default, kind=kind)
    if any(secret in annotation for secret in SECRET_TYPES) and not made.sensitive:
        hidden = "" if made.default is not None else None
        made = Variable(
            name=made.name, place=made.place, required=required, sensitive=True, default=hidden, kind=made.kind
        )
    yield made


def _value(code: Code, module: Module, value: ast.expr | None) -> tuple[str | None, str, bool]:
    """Return a field's default, its alias, and whether it must be given."""
    if value is None or (isinstance(value, ast.Constant) and value.value is ...):
        return None, "", True
    if not isinstance(value, ast.Call) or code.canonical(module.full(value.func)) not in FIELDS:
        return _told(code, value), "", False
    alias = code.string(keyword(value, "validation_alias") or keyword(value, "alias") or keyword(value, "env")) or ""
    first = value.args[0] if value.args else keyword(value, "default")
    if first is None:
        made = keyword(value, "default_factory")
        return ("" if made is not None else None), alias, made is None
    if isinstance(first, ast.Constant) and first.value is ...:
        return None, alias, True
    return _told(code, first), alias, False


def _told(code: Code, value: ast.expr) -> str | None:
    if isinstance(value, ast.Constant) and value.value is None:
        return None
    text = literal(value)
    return text if text is not None else code.string(value) or ""
