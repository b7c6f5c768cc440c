"""A configuration on the command line: a file, or a recipe by its name."""

from __future__ import annotations

from pathlib import Path

from rcl.cli.console import note
from rcl.training.recipes import find_configuration, recipe_names

RECIPES = ", ".join(recipe_names())


def configuration_file(given: Path, *, quiet: bool = False) -> Path:
    """The file of a configuration. A line on stderr says which one it is, where a name may be either.

    Raises:
        InputError: there is neither such a file nor such a recipe.
    """
    name, file = str(given), find_configuration(given)
    if name in recipe_names() and not quiet:
        beside = Path(f"{name}.yaml")
        if file == given:
            note(f"Configuration: the file {name} in this folder, not the recipe {name} of RCL")
        else:
            others = f", not {beside} in this folder" if beside.exists() else ""
            note(f"Configuration: the recipe {name} of RCL ({file}){others}")
    return file
