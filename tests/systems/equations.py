"""The models' equations written once more, in NumPy, with explicit matrices and gains p instead of logits.

Nothing here is shared with the package: tests compare the two.
"""

from itertools import product

import numpy as np
from scipy.special import softmax

SCORES = {
    "squared": (lambda m, n: m**2 / (2 * n), lambda m, n: m / n, lambda k: k),
    "linear": (lambda m, n: m, lambda m, n: np.ones_like(m), lambda k: 1),
    "power": (lambda m, n: m**4 / (4 * n**3), lambda m, n: m**3 / n**3, lambda k: k),
    "power6": (lambda m, n: m**6 / (6 * n**5), lambda m, n: m**5 / n**5, lambda k: k),
}
"""Score, derivative and coupling constant, by name; the power score of orders 4 and 6."""


def coupling_matrix(patterns, gains, name, x, slope):
    """The matrix M for which the drive is M φ(x) when the score is a power: W(p) of Eq. 5 for the squared one."""
    n, k = patterns.shape
    overlaps = patterns.T @ np.tanh(slope * x)
    if name == "squared":
        return (k / n) * patterns @ np.diag(gains) @ patterns.T
    _, derivative, coupling = SCORES[name]
    ratio = np.divide(derivative(overlaps, n), overlaps, out=np.zeros_like(overlaps), where=overlaps != 0)
    return coupling(k) * patterns @ np.diag(gains * ratio) @ patterns.T


def astrocyte_dynamic(t, y, patterns, name, temperature, tau_x, tau_p, slope):
    """Eqs. 4 and 6, in x and p."""
    n, k = patterns.shape
    # A gain that has rounded below zero is zero, and stays there: p log p → 0.
    x, p = y[:n], np.maximum(y[n:], 0)
    score, derivative, coupling = SCORES[name]
    m = patterns.T @ np.tanh(slope * x)
    log_p = np.log(np.maximum(p, 1e-300))
    fitness = score(m, n) - temperature * log_p
    dx = (-x + coupling(k) * patterns @ (p * derivative(m, n))) / tau_x
    # Divided by Σp = 1: off the simplex, where rounding leads, Eq. 6 as it stands may be unstable.
    dp = p * (fitness - p @ fitness / p.sum()) / tau_p
    return np.concatenate([dx, dp])


def astrocyte_adiabatic(t, x, patterns, name, temperature, tau_x, tau_p, slope):
    return _astrocyte(x, patterns, name, tau_x, slope, lambda scores: softmax(scores / temperature))


def astrocyte_frozen(t, x, patterns, name, temperature, tau_x, tau_p, slope):
    return _astrocyte(x, patterns, name, tau_x, slope, lambda scores: np.full(scores.shape, 1 / scores.size))


def _astrocyte(x, patterns, name, tau_x, slope, gains):
    n, k = patterns.shape
    score, derivative, coupling = SCORES[name]
    m = patterns.T @ np.tanh(slope * x)
    return (-x + coupling(k) * patterns @ (gains(score(m, n)) * derivative(m, n))) / tau_x


def hopfield(t, x, patterns, tau_x, slope, zero_diagonal):
    weights = patterns @ patterns.T / patterns.shape[0]
    if zero_diagonal:
        weights = weights - np.diag(np.diag(weights))
    return (-x + weights @ np.tanh(slope * x)) / tau_x


def dense(t, x, patterns, tau_x, slope, order):
    m = patterns.T @ np.tanh(slope * x)
    return (-x + patterns @ m ** (order - 1) / patterns.shape[0] ** (order - 1)) / tau_x


def modern_hopfield(t, x, patterns, temperature, tau_x, slope):
    return (-x + patterns @ softmax(patterns.T @ np.tanh(slope * x) / temperature)) / tau_x


def transport_tensor(patterns):
    """The tensor (1/N³) Σ_μ ξ_i ξ_j ξ_k ξ_l, entry by entry, which the package never forms."""
    n = patterns.shape[0]
    tensor = np.zeros((n, n, n, n))
    for i, j, k, l in product(range(n), repeat=4):  # noqa: E741
        tensor[i, j, k, l] = np.sum(patterns[i] * patterns[j] * patterns[k] * patterns[l]) / n**3
    return tensor


def neuron_astrocyte_start(query, tensor, slope):
    h = np.tanh(slope * query)
    psi = -np.outer(h, h)
    g = -np.einsum("ijkl,kl->ij", tensor, psi)
    clip = 1 - 1e-6
    return np.arctanh(np.clip(g, -clip, clip)) / slope, np.arctanh(np.clip(psi, -clip, clip)) / slope


def neuron_astrocyte(t, y, tensor, tau_x, tau_s, tau_a, slope):
    """The rates of x, S and P, with S and P as full matrices."""
    n = tensor.shape[0]
    x, s, p = y[:n], y[n : n + n * n].reshape(n, n), y[n + n * n :].reshape(n, n)
    h, g, psi = np.tanh(slope * x), np.tanh(slope * s), np.tanh(slope * p)
    dx = (-x + g @ h) / tau_x
    ds = (-s + np.outer(h, h) + psi) / tau_s
    dp = (-p + np.einsum("ijkl,kl->ij", tensor, psi) + g) / tau_a
    return np.concatenate([dx, ds.ravel(), dp.ravel()])


def neuron_astrocyte_energy(x, s, p, tensor, slope):
    def lagrangian(y):
        return np.log(np.cosh(slope * y)) / slope

    h, g, psi = np.tanh(slope * x), np.tanh(slope * s), np.tanh(slope * p)
    neurons = np.sum(x * h - lagrangian(x))
    synapses = np.sum(s * g - lagrangian(s)) / 2
    processes = np.sum(p * psi - lagrangian(p)) / 2
    transported = np.einsum("ij,ijkl,kl->", psi, tensor, psi)
    return neurons + synapses + processes - h @ g @ h / 2 - np.sum(psi * g) / 2 - transported / 4
