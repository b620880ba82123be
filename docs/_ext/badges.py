"""Badges of the README, of what pyproject.toml says: python docs/_ext/badges.py writes them anew."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "badges"


def badges() -> dict[str, str]:
    """Badges by file name, as SVG."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    jax = next(need.removeprefix("jax") for need in project["dependencies"] if need.startswith("jax>"))
    told = {
        "python": project["requires-python"],
        "jax": jax.replace(",", ", "),
        "licence": project["license"],
    }
    return {f"{label}.svg": svg(label, value.replace(">=", "≥ ").replace("<", "< ")) for label, value in told.items()}


def svg(label: str, value: str) -> str:
    """A badge: a label, and what is so."""
    left, right = (round(6.6 * len(text) + 12) for text in (label, value))
    value = value.replace("<", "&lt;")
    text = 'font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" fill="#fff"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">'
        f"<title>{label}: {value}</title>"
        f'<rect width="{left}" height="20" rx="3" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" rx="3" fill="#0757b8"/>'
        f'<rect x="{left - 3}" width="6" height="20" fill="#444"/><rect x="{left}" width="3" height="20" fill="#0757b8"/>'
        f'<text x="{left / 2}" y="14" text-anchor="middle" {text}>{label}</text>'
        f'<text x="{left + right / 2}" y="14" text-anchor="middle" {text}>{value}</text></svg>\n'
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in badges().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
