"""How the documentation is built: `make docs`."""

import shutil
import sys
from pathlib import Path

import astrojax

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# Tutorials are run where they lie and leave files there: in a copy.
SCRIPTS = HERE / "generated" / "scripts"
shutil.rmtree(SCRIPTS, ignore_errors=True)
shutil.copytree(HERE / "tutorials", SCRIPTS)

project = "astrojax"
author = "the astrojax developers"
version = release = astrojax.__version__
html_title = f"astrojax {version}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax is copied into the pages: they ask no other host for anything
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "generated",
]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]  # the function that orders tutorials cannot be pickled
exclude_patterns = ["_ext", "tutorials", "generated/scripts"]
nitpicky = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and types are in the text
autodoc_class_signature = "mixed"
default_role = "py:obj"
napoleon_use_ivar = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

copybutton_prompt_text = "$ "

sphinx_gallery_conf = {
    "examples_dirs": "generated/scripts",
    "gallery_dirs": "generated/tutorials",
    "filename_pattern": r"/\d_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_",),
    "write_computation_times": False,
}
