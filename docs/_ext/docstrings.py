"""Docstrings as pages show them: what they say in Unicode is typeset, what they say in backticks is code.

In the source an equation is a block of its own, indented, in the signs of the paper, so that `help` can be read. Here each such
block becomes a displayed equation in LaTeX.
"""

import re
import unicodedata

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "ε": "varepsilon", "η": "eta", "λ": "lambda", "ξ": "xi", "σ": "sigma", "τ": "tau",
    "φ": "varphi", "ψ": "psi", "Ξ": "Xi", "Ψ": "Psi", "Σ": "sum", "Φ": "Phi", "∂": "partial",
}  # fmt: skip
SIGNS = {
    "−": "-", "⊙": r"\odot ", "′": "'", "⟨": r"\langle ", "⟩": r"\rangle ", "ᵀ": r"^{\mathsf T}", "½": r"\tfrac12 ",
    "·": r"\cdot ", "≤": r"\le ", "≥": r"\ge ", "→": r"\to ", "∞": r"\infty ", "×": r"\times ", "𝒯": r"\mathcal T",
    "ℒ": r"\mathcal L", "…": r"\dots ", "√": r"\sqrt ", "∈": r"\in ", "≈": r"\approx ", "±": r"\pm ",
}  # fmt: skip
FUNCTIONS = ("softmax", "log", "tanh", "cosh", "exp", "sinh", "sign", "max", "min", "Var")
SCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿᵃ]+|[₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₗₙₚₓ]+")


def latex(equation: str) -> str:
    """An equation in Unicode as LaTeX."""
    text = re.sub(r"τ([a-z])\b", r"\\tau_{\1}", equation)
    text = re.sub(r"\bd([A-Za-z])/dt\b", r"\\frac{\\mathrm{d}\1}{\\mathrm{d}t}", text)
    text = SCRIPTS.sub(lambda found: _script(found[0]), text)
    text = re.sub(rf"\b({'|'.join(FUNCTIONS)})\b", r"\\operatorname{\1}", text)
    text = re.sub(r"  +", r"\\qquad ", text)
    return "".join(SIGNS.get(letter) or (f"\\{GREEK[letter]} " if letter in GREEK else letter) for letter in text)


def _script(letters: str) -> str:
    plain = "".join(unicodedata.normalize("NFKC", letter).replace("−", "-") for letter in letters)
    return ("_{" if unicodedata.decomposition(letters[0]).startswith("<sub>") else "^{") + plain + "}"


def process(app, what, name, obj, options, lines):
    """Typeset the equations of a docstring, in place; escape what would be markup."""
    found: list[str] = []
    block: list[str] = []
    previous = ""
    for line in [*lines, ""]:
        if line.startswith("    ") and (block or (previous == "" and is_equation(line))):
            block.append(line.strip())
            continue
        if block and line == "":
            found += [".. math::", "", r"    \begin{gathered}", *(f"    {latex(row)} \\\\" for row in block if row)]
            found += [r"    \end{gathered}", ""]
            block = []
        found.append(escaped(line))
        previous = line
    lines[:] = found[:-1]


def is_equation(line: str) -> bool:
    """Whether an indented line is an equation rather than the description of an argument."""
    return bool(re.search("[τξφΣσβ∂λΞ⟨]", line)) and not re.match(r"\s+[\w, ]+: ", line)


def escaped(line: str) -> str:
    """A line in which bars and asterisks outside of code stand for themselves."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if number % 2 else re.sub(r"([|*])", r"\\\1", part) for number, part in enumerate(parts))


def setup(app):
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    return {"parallel_read_safe": True}
