"""JSON values with something odd in one place."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

odd_values = (
    st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats() | st.text(max_size=4) | st.just([]) | st.just({})
)


def replaced(value: Any, path: list[int], new: Any) -> Any:
    """A JSON value with something else in one place.

    Args:
        value: the whole.
        path: the number of the entry to go into, at each level; numbers that are too large begin again at 0.
        new: what is put there.
    """
    if not path or not isinstance(value, list | dict) or not value:
        return new
    keys = [*(value if isinstance(value, dict) else range(len(value)))]
    chosen = keys[path[0] % len(keys)]
    pairs = [(key, replaced(value[key], path[1:], new) if key == chosen else value[key]) for key in keys]
    return dict(pairs) if isinstance(value, dict) else [each for _, each in pairs]
