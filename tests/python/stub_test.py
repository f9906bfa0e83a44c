"""Tests that `_core.pyi` describes the compiled module: names, parameters and defaults (stubtest checks less)."""

import ast
from pathlib import Path

import pytest

import joblib_mpi
from joblib_mpi import _core

if getattr(_core, "is_double", False):
    pytest.skip("joblib_mpi._core is not built", allow_module_level=True)

STUB = ast.parse(Path(joblib_mpi.__file__).with_name("_core.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}


def is_public(name):
    return not name.startswith("_") or name == "__init__"


def members_of(node):
    """Return the functions, properties and attributes of a class, with those of base classes that only the stub has."""
    members = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id.startswith("_"):
            members |= members_of(CLASSES[base.id])
    members |= {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    return members | {part.target.id: part for part in node.body if isinstance(part, ast.AnnAssign)}


def is_property(node):
    decorators = getattr(node, "decorator_list", ())
    return any(isinstance(decorator, ast.Name) and decorator.id == "property" for decorator in decorators)


def parameters_of(node):
    """Return the names of a function's parameters, ``*`` where only keywords follow, and its defaults as text."""
    arguments = node.args
    keywords = ["*", *(argument.arg for argument in arguments.kwonlyargs)] if arguments.kwonlyargs else []
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)] + keywords
    defaults = [
        ast.unparse(default) for default in (*arguments.defaults, *arguments.kw_defaults) if default is not None
    ]
    return names, defaults


def compiled_parameters_of(function):
    """Return the parameters in nanobind's signature of a function without overloads, in the form of `parameters_of`."""
    ((signature, _, defaults),) = function.__nb_signature__
    for number, default in reversed(list(enumerate(defaults or ()))):
        signature = signature.replace(f"\\{number}", repr(default))
    return parameters_of(ast.parse(f"{signature}: ...").body[0])


def test_the_module_has_the_names_of_the_stub_and_no_others():
    compiled = {name for name in vars(_core) if is_public(name)}
    assert compiled == {*filter(is_public, CLASSES), *FUNCTIONS}
    assert isinstance(_core.__version__, str)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_parameters_of_the_stub(name):
    assert compiled_parameters_of(getattr(_core, name)) == parameters_of(FUNCTIONS[name])


ERRORS = [name for name in filter(is_public, CLASSES) if issubclass(getattr(_core, name), Exception)]


@pytest.mark.parametrize("name", [name for name in filter(is_public, CLASSES) if name not in ERRORS])
def test_a_class_has_the_members_of_the_stub(name):
    compiled = vars(getattr(_core, name))
    stated = {member: node for member, node in members_of(CLASSES[name]).items() if is_public(member)}
    # Classes that Python cannot instantiate get an __init__ from nanobind that refuses, and Python adds counts of
    # fields to named tuples.
    made_for_it = {"__init__", "n_fields", "n_sequence_fields", "n_unnamed_fields"} - {*stated}
    assert {member for member in compiled if is_public(member)} - made_for_it == {*stated}
    for member, node in stated.items():
        is_function = isinstance(node, ast.FunctionDef) and not is_property(node)
        assert hasattr(compiled[member], "__nb_signature__") == is_function, member
        if is_function:
            assert compiled_parameters_of(compiled[member]) == parameters_of(node), member


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_the_base_class_and_the_docstring_of_the_stub(name):
    error = getattr(_core, name)
    assert error.__base__.__name__ == CLASSES[name].bases[0].id
    assert error.__doc__ == ast.get_docstring(CLASSES[name])
