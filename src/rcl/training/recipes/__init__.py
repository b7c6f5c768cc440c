"""The recipes that come with RCL: commented configurations, found by their names from any folder."""

from __future__ import annotations

from pathlib import Path

from rcl.system.errors import InputError

FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """The names of all recipes, ``small`` first since it is the one to begin with.

    >>> recipe_names()[0]
    'small'
    """
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    return ["small", *sorted(names - {"small"})]


def recipe_file(name: str) -> Path:
    """The file of a recipe.

    >>> recipe_file("gtea").name
    'gtea.yaml'

    Raises:
        InputError: there is none of this name.
    """
    if name not in recipe_names():
        raise InputError(f"recipe {name!r}", expected=f"one of {', '.join(recipe_names())}", found=name, fix="name one")
    return FOLDER / f"{name}.yaml"


def find_configuration(path: Path) -> Path:
    """The file that is meant: the one at this path if there is one, else the recipe of this name.

    Raises:
        InputError: there is neither.
    """
    if path.exists() and not path.is_dir():  # a pipe is no file, but can be read
        return path
    if str(path) in recipe_names():
        return recipe_file(str(path))
    expected = f"a configuration file, or a recipe of RCL ({', '.join(recipe_names())})"
    found = "a folder" if path.is_dir() else "no such file"
    fix = f"name the recipe without .yaml: {path.stem}" if path.stem in recipe_names() else "check the path"
    raise InputError(path, expected=expected, found=found, fix=fix)
