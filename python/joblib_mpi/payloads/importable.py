"""Functions and classes that other processes import instead of getting their definition."""

import sys
from typing import Any

import cloudpickle


def is_importable(value: Any) -> bool:
    """Return whether a function or class is pickled as the name that its module has for it."""
    name = value.__module__
    if not isinstance(name, str) or name == "__main__" or _is_sent_by_value(name):
        return False
    found: Any = sys.modules.get(name)
    for attribute in name_in_module(value).split("."):
        found = getattr(found, attribute, None)
    return found is value


def name_in_module(value: Any) -> str:
    """Return the qualified name of a function or class; "" if it has none, such as a cached partial."""
    name = getattr(value, "__qualname__", None)
    return name if isinstance(name, str) else ""


def _is_sent_by_value(module: str) -> bool:
    registered = cloudpickle.list_registry_pickle_by_value()
    return any(module == name or module.startswith(name + ".") for name in registered)
