"""Ensembles have the statistics they promise, and files that cannot be used are refused saying where."""

import jax
import numpy as np
import pytest

import astrojax as aj

KEY = jax.random.key(0)


def overlaps(patterns):
    return np.asarray(patterns.T @ patterns) / patterns.shape[0]


def test_random_patterns_are_unbiased_and_uncorrelated():
    patterns = aj.random_patterns(KEY, num_neurons=500, num_patterns=200)
    assert set(np.unique(patterns)) == {-1.0, 1.0}
    assert abs(patterns.mean()) < 4 / np.sqrt(100_000)
    off = overlaps(patterns)[np.triu_indices(200, 1)]
    assert off.std() == pytest.approx(1 / np.sqrt(500), rel=0.05)
    assert abs(off.mean()) < 1e-3


def test_biased_patterns_have_the_given_mean():
    patterns = aj.biased_patterns(KEY, num_neurons=500, num_patterns=200, mean=0.4)
    assert patterns.mean() == pytest.approx(0.4, abs=4 * np.sqrt(1 - 0.16) / np.sqrt(100_000))
    assert overlaps(patterns)[np.triu_indices(200, 1)].mean() == pytest.approx(0.16, abs=0.01)


def test_copies_of_one_prototype_overlap_as_asked_and_others_do_not():
    patterns = aj.hierarchical_patterns(KEY, num_neurons=4000, num_patterns=30, num_prototypes=3, overlap=0.5)
    group = np.arange(30) % 3
    matrix, same = overlaps(patterns), group[:, None] == group
    np.fill_diagonal(same, False)
    assert matrix[same].mean() == pytest.approx(0.5, abs=0.02)
    assert abs(matrix[group[:, None] != group].mean()) < 0.03


@pytest.mark.parametrize(
    "draw",
    [
        lambda k: aj.random_patterns(KEY, num_neurons=9, num_patterns=k),
        lambda k: aj.biased_patterns(KEY, num_neurons=9, num_patterns=k, mean=0.2),
        lambda k: aj.hierarchical_patterns(KEY, num_neurons=9, num_patterns=k, num_prototypes=2, overlap=0.3),
        lambda k: aj.pooled_patterns(KEY, pool=aj.digits(), num_patterns=k),
    ],
)
def test_fewer_patterns_are_the_first_of_more_in_every_precision(draw):
    few, many = draw(4), draw(11)
    np.testing.assert_array_equal(few, many[:, :4])
    with jax.enable_x64(False):
        np.testing.assert_array_equal(draw(11), many)


def test_digits_are_those_of_the_specification_and_a_pool_of_them_gives_each_once():
    digits = aj.digits()
    assert digits.shape == (64, 1750)
    assert np.abs(overlaps(digits))[np.triu_indices(1750, 1)].mean() == pytest.approx(0.47, abs=0.005)
    drawn = aj.pooled_patterns(KEY, pool=digits, num_patterns=1750)
    assert np.unique(digits, axis=1).shape == np.unique(drawn, axis=1).shape == (64, 1750)


@pytest.fixture
def saved(tmp_path):
    """A function that saves an array and gives the path."""

    def save(array):
        np.save(tmp_path / "a.npy", array)
        return tmp_path / "a.npy"

    return save


def test_rows_become_columns_pictures_are_flattened_booleans_are_signs_and_a_threshold_makes_gray_levels_binary(saved):
    rows = np.array([[1, -1, 1], [-1, -1, 1]])
    np.testing.assert_array_equal(aj.load_patterns(saved(rows)), rows.T)
    np.testing.assert_array_equal(aj.load_patterns(saved([[0.0, 9.0], [12.0, 3.0]]), threshold=7), [[-1, 1], [1, -1]])
    pictures = np.arange(24).reshape(2, 3, 4) % 5 > 2
    for options in ({}, {"threshold": 0.5}):
        found = aj.load_patterns(saved(pictures), **options)
        np.testing.assert_array_equal(found, np.where(pictures.reshape(2, 12).T, 1, -1))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1.0, 1.0], [1.0, np.nan]]), "row 2, column 2"),
        (np.array([[0, 1], [1, 1]]), r"of -1 and \+1; got 0 and 1 alone: .* \(threshold: 0.5\)"),
        (np.array([[2, 1], [1, 1]]), r"must be -1 or \+1: 1 entries are not, the first at row 1, column 1 is 2"),
        (np.array([[1, -1], [1, 1], [1, -1]]), r"at most 0 may \(max_duplicates\); the first is row 3, the same as row 1"),
        (np.ones(3), "one pattern per row"),
        (np.ones((2, 2, 2, 2)), "one pattern per row"),
        (np.ones((2, 2), complex), "real numbers"),
        (np.array([["a", "b"]]), "real numbers"),
        (np.array([{"a": 1}], object), "cannot be read"),  # a pickle
    ],
)
def test_arrays_that_are_no_patterns_are_refused_saying_where(array, words, saved):
    with pytest.raises(aj.InputError, match=words):
        aj.load_patterns(saved(array))


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv"])
def test_the_proposed_line_transposes_patterns(suffix, tmp_path):
    signs = np.asarray(aj.random_patterns(KEY, num_neurons=40, num_patterns=4))
    path, array = tmp_path / f"wrong.{suffix}", "a" if suffix == "npz" else None
    match suffix:
        case "npy":
            np.save(path, signs)
        case "npz":
            np.savez(path, a=signs, b=signs)
        case "csv":
            np.savetxt(path, signs, delimiter=";", header="a;b;c;d", comments="")
    with pytest.raises(aj.InputError, match=r"if its columns are the patterns: np\.save") as refused:
        aj.load_patterns(path, array=array)
    exec(str(refused.value).partition("patterns: ")[2], {"np": np, "aj": aj})
    np.testing.assert_array_equal(aj.load_patterns(tmp_path / "wrong.npy"), signs)


def test_no_transposing_is_proposed_where_it_would_not_help(saved):
    with pytest.raises(aj.InputError, match=r"max_duplicates\); the first is row 2, the same as row 1$"):
        aj.load_patterns(saved(np.ones((3, 3))))
    np.testing.assert_array_equal(aj.load_patterns(saved(np.ones((3, 3))), max_duplicates=2), np.ones((3, 3)))


@pytest.mark.parametrize("how", [{"threshold": float("nan")}, {"max_duplicates": -1}])
def test_options_out_of_range_are_refused(how, saved):
    with pytest.raises(aj.InputError, match=next(iter(how))):
        aj.load_patterns(saved([[1, -1]]), **how)
