"""Tests that the stubs describe the compiled modules: names, parameters and defaults (stubtest checks less)."""

import ast
from pathlib import Path

import pytest

import joblib_mpi
from joblib_mpi import _core

if getattr(_core, "is_double", False):
    pytest.skip("joblib_mpi._core is not built", allow_module_level=True)

from joblib_mpi import _mpi

MODULES = {"_core": _core, "_mpi": _mpi}


def is_public(name):
    return not name.startswith("_") or name == "__init__"


def definitions_in(file, kind):
    tree = ast.parse(Path(joblib_mpi.__file__).with_name(file).read_text())
    return {node.name: node for node in tree.body if isinstance(node, kind)}


CLASSES = {module: definitions_in(f"{module}.pyi", ast.ClassDef) for module in MODULES}
FUNCTIONS = {module: definitions_in(f"{module}.pyi", ast.FunctionDef) for module in MODULES}
#: The classes that are bases in the stubs alone.
BASES = definitions_in("coordinator.py", ast.ClassDef) | {
    name: node for classes in CLASSES.values() for name, node in classes.items() if not is_public(name)
}


def members_of(node):
    """Return the functions, properties and attributes of a class, with those of base classes that only the stub has."""
    members = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in BASES:
            members |= members_of(BASES[base.id])
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


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_names_of_its_stub_and_no_others(module):
    compiled = {name for name in vars(MODULES[module]) if is_public(name)}
    assert compiled == {*filter(is_public, CLASSES[module]), *FUNCTIONS[module]}


def test_the_version_is_a_text():
    assert isinstance(_core.__version__, str)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in MODULES for name in FUNCTIONS[module]])
def test_a_function_has_the_parameters_of_the_stub(module, name):
    assert compiled_parameters_of(getattr(MODULES[module], name)) == parameters_of(FUNCTIONS[module][name])


PUBLIC_CLASSES = [(module, name) for module in MODULES for name in filter(is_public, CLASSES[module])]
ERRORS = [(module, name) for module, name in PUBLIC_CLASSES if issubclass(getattr(MODULES[module], name), Exception)]


@pytest.mark.parametrize(("module", "name"), [each for each in PUBLIC_CLASSES if each not in ERRORS])
def test_a_class_has_the_members_of_the_stub(module, name):
    compiled = vars(getattr(MODULES[module], name))
    stated = {member: node for member, node in members_of(CLASSES[module][name]).items() if is_public(member)}
    # Classes that Python cannot instantiate get an __init__ from nanobind that refuses, and Python adds counts of
    # fields to named tuples.
    made_for_it = {"__init__", "n_fields", "n_sequence_fields", "n_unnamed_fields"} - {*stated}
    assert {member for member in compiled if is_public(member)} - made_for_it == {*stated}
    for member, node in stated.items():
        is_function = isinstance(node, ast.FunctionDef) and not is_property(node)
        assert hasattr(compiled[member], "__nb_signature__") == is_function, member
        if is_function:
            assert compiled_parameters_of(compiled[member]) == parameters_of(node), member


@pytest.mark.parametrize(("module", "name"), ERRORS)
def test_an_error_has_the_base_class_and_the_docstring_of_the_stub(module, name):
    error = getattr(MODULES[module], name)
    stated = CLASSES[module][name]
    assert error.__base__.__name__ == stated.bases[0].id
    assert error.__doc__ == ast.get_docstring(stated)
