"""Docstrings as pages show them: what they say in Unicode is typeset, what they say in backticks is code.

In the source an equation is a block of its own, indented, in the signs of the paper, so that `help` can be read. Here each such
block becomes a displayed equation in LaTeX.
"""

import re
import unicodedata

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "ε": "varepsilon", "η": "eta", "λ": "lambda", "μ": "mu", "ξ": "xi", "σ": "sigma",
    "τ": "tau",
    "φ": "varphi", "ψ": "psi", "Ξ": "Xi", "Ψ": "Psi", "Σ": "sum", "Φ": "Phi", "∂": "partial",
}  # fmt: skip
SIGNS = {
    "−": "-", "⊙": r"\odot ", "′": "'", "⟨": r"\langle ", "⟩": r"\rangle ", "ᵀ": r"^{\mathsf T}",
    "½": r"\tfrac12 ", "¼": r"\tfrac14 ",
    "·": r"\cdot ", "≤": r"\le ", "≥": r"\ge ", "→": r"\to ", "∞": r"\infty ", "×": r"\times ", "𝒯": r"\mathcal T",
    "ℒ": r"\mathcal L", "…": r"\dots ", "√": r"\sqrt ", "∈": r"\in ", "≈": r"\approx ", "±": r"\pm ",
}  # fmt: skip
FUNCTIONS = ("softmax", "log", "tanh", "cosh", "exp", "sinh", "sign", "max", "min", "Var")
SECTION = re.compile("(Arguments|Returns|Raises|Yields):.*")
SCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿᵃ]+|[₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₗₙₚₓ]+")


def latex(equation: str) -> str:
    """An equation in Unicode as LaTeX."""
    text = re.sub(r"τ([a-z])\b", r"\\tau_{\1}", equation)
    text = re.sub(r"\bd([A-Za-zℒ])/dt\b", r"\\frac{\\mathrm{d}\1}{\\mathrm{d}t}", text)
    text = SCRIPTS.sub(lambda found: _script(found[0]), text)
    text = re.sub(r"_([a-zμ])", r"_{\1}", text)
    text = re.sub(rf"\b({'|'.join(FUNCTIONS)})(?=[\b_(\s])", r"\\operatorname{\1}", text)
    text = re.sub(r"  +", r"\\qquad ", text)
    return "".join(SIGNS.get(letter) or (f"\\{GREEK[letter]} " if letter in GREEK else letter) for letter in text)


def _script(letters: str) -> str:
    plain = "".join(unicodedata.normalize("NFKC", letter).replace("−", "-") for letter in letters)
    return ("_{" if unicodedata.decomposition(letters[0]).startswith("<sub>") else "^{") + plain + "}"


def process(app, what, name, obj, options, lines):
    """Typeset the equations of a docstring, in place; escape what would be markup."""
    found: list[str] = []
    block: list[str] = []
    section = False
    for line, before in zip([*lines, ""], ["", *lines], strict=True):
        if line and not line.startswith(" "):
            section = bool(SECTION.fullmatch(line))
        if line.startswith("    ") and not section and (block or before == "") and not found_code(found):
            block.append(line.strip())
            continue
        if block:
            found += [".. math::", "", r"    \begin{aligned}", *(f"    {aligned(latex(row))} \\\\" for row in block if row)]
            found += [r"    \end{aligned}", ""]
            block = []
        found.append(escaped(line))
    lines[:] = found[:-1]


def found_code(found: list[str]) -> bool:
    """Whether the last paragraph says that code follows."""
    return next((line for line in reversed(found) if line), "").endswith("::")


def aligned(equation: str) -> str:
    """An equation that stands below others at its first sign of equality."""
    return equation.replace("=", "&=", 1)


def escaped(line: str) -> str:
    """A line in which bars and asterisks outside of code stand for themselves."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if number % 2 else re.sub(r"([|*])", r"\\\1", part) for number, part in enumerate(parts))


def setup(app):
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    return {"parallel_read_safe": True}
