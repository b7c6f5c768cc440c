"""Load a configuration from YAML and overrides; a mistake in it becomes one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from rcl.detector.config import Config
from rcl.detector.heads import HeadConfig
from rcl.detector.model_config import encoder_config
from rcl.detector.old_layout import switch_head, upgrade_layout
from rcl.system.errors import InputError, shown


def parse_config(values: dict[str, Any], *, where: str, lenient: bool = False) -> Config:
    """Check plain values against the schema.

    Args:
        values: of YAML or of a checkpoint, in the present layout or an earlier one.
        where: the file, for messages.
        lenient: ignore options of heads that the configuration does not use, as earlier versions did.

    Raises:
        InputError: names the key, what it should be and what was found.
    """
    values = upgrade_layout(values, lenient=lenient)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _explain(error, values, where) from None


def load_config(path: Path | str, overrides: list[str] | None = None) -> Config:
    """Read a YAML file and apply ``key=value`` overrides, such as ``training.epochs=5``.

    Raises:
        InputError: the file cannot be read, or a key or value is wrong.
    """
    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise InputError(path, expected="a configuration file", found=found, fix="check the path") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: not UTF-8, or a date such as 2024-13-45.
        found = " ".join(str(error).split())
        raise InputError(path, expected="YAML", found=found, fix="correct that line") from None
    values = {} if values is None else values
    if isinstance(values, dict):  # a section whose keys are all commented out is an empty one
        values = {key: {} if value is None else value for key, value in values.items()}
    else:
        found = f"a {type(values).__name__}"
        expected = "sections such as 'data:' and 'model:'"
        raise InputError(path, expected=expected, found=found, fix="begin with a recipe, such as small")
    for override in overrides or []:
        _override(values, override)
    return parse_config(values, where=str(path))


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a second ``training:`` is an error; by default the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} occurs twice", mark)
        return super().construct_mapping(node, deep)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(
            f"override {override!r}", expected="key=value", found=override, fix="write e.g. training.epochs=5"
        )
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            fix = "give the key as section.name=value"
            raise InputError(
                f"override {override!r}", expected="a section", found=f"the value {shown(values)} at {section}", fix=fix
            )
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = text
    if key == "model.head" and isinstance(value, str) and isinstance(values.get(last), dict):
        value = switch_head(values[last], value)
    values[last] = value


_EXPECTED = {
    "invalid_key": "names as keys",
    "model_attributes_type": "a section with keys of its own",
    "model_type": "a section with keys of its own",
    "path_type": "a path (in quotes where it looks like a number)",
}
"""Our words for what Pydantic says in terms of Python."""


def _explain(error: ValidationError, values: dict[str, Any], where: str) -> InputError:
    """The first problem that Pydantic found, as an error of ours that also counts the others."""
    problems = error.errors()
    first = problems[0]
    keys = [part for i, part in enumerate(first["loc"]) if i == 0 or first["loc"][i - 1] not in _TAGGED]
    key = ".".join(map(str, keys))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        known = ", ".join(sorted(_known_keys(first["loc"], values)))
        found = "an unknown key" + more
        return InputError(f"{where}, {key}", expected=f"one of {known}", found=found, fix="correct or remove it")
    if kind == "no_encoder":
        return InputError(
            f"{where}, {key}.name", expected=context["expected"], found=context["found"] + more, fix=context["fix"]
        )
    found = first["input"] if kind != "value_error" else "another combination"
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "union_tag_invalid":
        key, found, expected = f"{key}.name", context["tag"], f"one of {context['expected_tags']}"
    return InputError(
        f"{where}, {key or 'configuration'}",
        expected=_EXPECTED.get(kind, expected),
        found=shown(found, 80) + more,
        fix="correct the value",
    )


_TAGGED = ("head", "ema")
"""Keys whose value is one of several types: Pydantic puts the type that it chose behind them, which no file holds."""


def _known_keys(location: tuple[Any, ...], values: dict[str, Any]) -> list[str]:
    """The keys of the section that a location leads into."""
    section: Any = Config
    for part, parent in zip(location[:-1], (None, *location), strict=False):
        if part == "encoder":
            section = encoder_config(values["model"]["encoder"].get("name", "temporal"))
        elif parent == "head":
            section = next(kind for kind in get_args(HeadConfig) if kind.model_fields["name"].default == part)
        elif part != "head":
            section = section.model_fields[part].annotation
    return list(section.model_fields)
