"""Configuration of the HTML site; docs/build.sh runs Sphinx with it."""

import importlib.machinery
import importlib.util
import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
#: Pages whose text stands in a file that people expect elsewhere.
PAGES_OF_FILES = {
    ROOT / "README.md": "index.md",
    ROOT / "CONTRIBUTING.md": "contributing.md",
    ROOT / "CHANGELOG.md": "changelog.md",
}
sys.path.insert(0, str(ROOT / "python"))


def load_stub():
    """Import the compiled part's stub in its place: the same classes and docstrings, and nothing to build."""
    path = str(ROOT / "python/joblib_mpi/_core.pyi")
    text = Path(path).read_text()
    text = text.replace("from joblib_mpi.coordinator import Coordinator\n", "Coordinator = object\n")  # needs this stub
    code = compile("from __future__ import annotations\n" + text, path, "exec")
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("joblib_mpi._core", None))
    exec(code, module.__dict__)
    module.__version__ = release
    sys.modules["joblib_mpi._core"] = module


def adapt_links(page, text, folder):
    """Return Markdown whose links hold in the page ``docs/<page>``, if they held in a file of ``folder``.

    Pages link to pages. Other files of the repository can be downloaded, folders are only named.
    """

    def adapted(match):
        shown, link = match[1], match[2]
        path, hash_sign, heading = link.partition("#")
        if "://" in link or not path:
            return match[0]
        target = (folder / path).resolve()
        if target in PAGES_OF_FILES:
            target = DOCS / PAGES_OF_FILES[target]
        if target.is_dir() or not target.exists():
            return f"`{shown}`"
        relative = os.path.relpath(target, (DOCS / page).parent)
        if target.is_relative_to(DOCS):
            shown = "" if shown == path else shown  # the page's title in place of its file
            return f"[{shown}]({relative}{hash_sign}{heading})"
        return f"{{download}}`{shown} <{relative}>`"

    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", adapted, text)


def read_source(app, page, source):
    """Take the text of some pages from files beside docs/, and adapt all links."""
    file = next((file for file, made in PAGES_OF_FILES.items() if made == f"{page}.md"), None)
    if file is not None:
        source[0] = file.read_text() + source[0]
    pieces = re.split(r"(```.*?```)", source[0], flags=re.DOTALL)  # programs keep their brackets
    folder = (DOCS / page).parent if file is None else ROOT
    source[0] = "".join(piece if piece.startswith("```") else adapt_links(page, piece, folder) for piece in pieces)


def setup(app):
    """Let Sphinx call what is above."""
    app.connect("source-read", read_source)


project = "joblib-mpi"
author = "joblib-mpi developers"
copyright = author  # noqa: A001
release = re.search(r"project\s*\(\s*joblib_mpi\s+VERSION\s+([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
version = release
load_stub()

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "breathe"]
exclude_patterns = []
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
default_role = "py:obj"
highlight_language = "none"

autodoc_typehints = "none"  # numpydoc's sections say them in words
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

breathe_projects = {"joblib-mpi": str(ROOT / "build/docs/xml")}
breathe_default_project = "joblib-mpi"
breathe_default_members = ()
cpp_id_attributes = []
cpp_index_common_prefix = ["joblib_mpi::"]

html_theme = "furo"
html_title = f"joblib-mpi {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
