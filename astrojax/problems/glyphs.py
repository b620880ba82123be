"""Letters in the fonts that come with matplotlib, as pictures of any size: correlated patterns with classes."""

import functools
import itertools
from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np

from .._internal.checks import InputError, at_least, within
from .._internal.parameters import Range
from .._internal.types import Patterns, ScalarLike
from .patterns import Scaling, classified, pool_of

FONTS = (
    *("DejaVuSans", "STIXGeneral", "cmtt10", "DejaVuSerif", "cmss10", "DejaVuSansMono", "cmr10"),
    *("DejaVuSans-Bold", "STIXGeneralBol", "DejaVuSerif-Bold", "cmb10", "DejaVuSansMono-Bold"),
    *("DejaVuSans-Oblique", "STIXGeneralItalic", "cmti10", "DejaVuSerif-Italic", "DejaVuSansMono-Oblique"),
    *("DejaVuSans-BoldOblique", "STIXGeneralBolIta", "DejaVuSerif-BoldItalic", "DejaVuSansMono-BoldOblique"),
)
"""Fonts with letters and digits, in the order in which they are taken."""

FINER = 8
"""Each side of a pixel is divided into so many parts, whose ink is counted."""

LARGEST_SIDE, LARGEST_SHIFT = 256, 16


@functools.lru_cache(maxsize=4)
def _pictures(size: int, characters: str, num_fonts: int, max_shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Ink of every pixel, from 0 to 1, and the number of the character, for every font, character and position."""
    import matplotlib as mpl
    from matplotlib.ft2font import FT2Font

    inner, rows, labels = size - 2 * max_shift, [], []
    whole = FINER * inner
    for name in FONTS[:num_fonts]:
        font = FT2Font(str(Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf")))
        if missing := [one for one in characters if not font.get_char_index(ord(one))]:
            raise InputError(f"characters must be in the font {name}, which lacks {missing[0]!r}; take fewer fonts or others")

        largest = max(max(_ink(font, one, float(whole)).shape) for one in characters)
        for number, one in enumerate(characters):
            ink = _ink(font, one, whole * whole / (largest + 2))[:whole, :whole]
            if not ink.any():
                raise InputError(f"characters must be ones that leave ink; got {one!r}")
            margins = [((whole - side) // 2, whole - side - (whole - side) // 2) for side in ink.shape]
            picture = np.pad(ink, margins).reshape(inner, FINER, inner, FINER).mean(axis=(1, 3))
            for down, right in itertools.product(range(2 * max_shift + 1), repeat=2):
                rows.append(np.pad(picture, ((down, 2 * max_shift - down), (right, 2 * max_shift - right))).ravel())
                labels.append(number)
    return np.array(rows), np.array(labels)


def _ink(font: Any, character: str, height: float) -> np.ndarray:
    """Ink of a character in a font of that height in pixels, in the smallest rectangle around it."""
    from matplotlib.ft2font import LoadFlags

    font.set_size(height, 72)
    font.set_text(character, 0.0, flags=LoadFlags.NO_HINTING)
    font.draw_glyphs_to_bitmap(antialiased=True)
    return np.asarray(font.get_image(), np.float64) / 255


def _glyphs(
    size: int, characters: str, num_fonts: int, max_shift: int, threshold: ScalarLike, scaling: Scaling
) -> tuple[np.ndarray, np.ndarray]:
    at_least("max_shift", max_shift, 0, LARGEST_SHIFT)
    at_least("size", size, 4 + 2 * max_shift, LARGEST_SIDE)
    at_least("num_fonts", num_fonts, 1, len(FONTS))
    within("threshold", threshold, 0, 1)
    if not characters or len(set(characters)) < len(characters):
        raise InputError(f"characters must be different, at least one; got {characters!r}")
    return pool_of(*_pictures(size, characters, num_fonts, max_shift), threshold, scaling)


@classified(lambda **parameters: _glyphs(**parameters)[1])
def glyphs(
    *,
    size: Annotated[int, Range(ge=4, le=LARGEST_SIDE)] = 12,
    characters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    num_fonts: Annotated[int, Range(ge=1, le=len(FONTS))] = len(FONTS),
    max_shift: Annotated[int, Range(ge=0, le=LARGEST_SHIFT)] = 0,
    threshold: Annotated[ScalarLike, Range(ge=0, lt=1)] = 0.3,
    scaling: Scaling = None,
) -> Patterns:
    """Letters in the fonts that come with matplotlib, as binary pictures or in gray levels. Their classes are the characters.

    The largest letter of a font fills the picture, less room for shifts; every letter is centered.

    Arguments:
        size: pixels along each side; a pattern has size² entries.
        characters: text of different characters, all of which the fonts have.
        num_fonts: how many fonts, in the order of `FONTS` in this module: sans, serif, typewriter, bold, italic.
        max_shift: pixels by which a letter is moved at most, up, down and sideways; every position is a pattern of its own.
        threshold: pixels with a larger share of ink become +1.
        scaling: gray levels instead, scaled by `range`, `standard` or `sphere`, or `raw` (see `load_patterns`).

    Returns:
        The distinct patterns, shape (size², K), with characters in order within a font.

    Raises `InputError` for numbers out of range, and characters that are repeated, blank or missing in a font.
    """
    rows, _ = _glyphs(size, characters, num_fonts, max_shift, threshold, scaling)
    return jnp.asarray(rows.T, jnp.result_type(float))
