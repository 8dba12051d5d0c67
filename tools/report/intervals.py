"""95 % intervals of means, of shares and of differences between them. No library beyond Python's own."""

import math
import statistics

Z = 1.959964  # 97.5 % of a standard normal lie below it


def t_quantile(degrees):
    """97.5 % quantile of Student's t (expansion in 1/degrees; within 0.1 % from 4 degrees on)."""
    if degrees < 1:
        return math.inf
    exact = {1: 12.7062, 2: 4.30265, 3: 3.18245}
    if degrees in exact:
        return exact[degrees]
    z, d = Z, degrees
    terms = (z**3 + z) / 4 / d, (5 * z**5 + 16 * z**3 + 3 * z) / 96 / d**2
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / d**3
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160 / d**4
    return z + sum(terms) + third + fourth


def mean_interval(values):
    """(mean, low, high) by Student's t. One value has no interval: it is infinite."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, -math.inf, math.inf
    half = t_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def normal_interval(value, error):
    """(low, high) of a number that is told with its standard error and nothing else."""
    return value - Z * error, value + Z * error


def share_interval(share, n):
    """(low, high) of a share of n independent rows (Wilson 1927): never outside 0..1, never of width 0."""
    if n <= 0:
        return 0.0, 1.0
    middle = (share + Z * Z / 2 / n) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / 4 / n / n) / (1 + Z * Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def share_difference(a, n_a, b, n_b):
    """(low, high) of b - a for shares of independent rows (Newcombe 1998, method 10)."""
    low_a, high_a = share_interval(a, n_a)
    low_b, high_b = share_interval(b, n_b)
    return (b - a - math.hypot(b - low_b, high_a - a), b - a + math.hypot(high_b - b, a - low_a))


def paired_shares(differences):
    """(mean, low, high) of b - a over the same rows; each difference is -1, 0 or 1.

    One half of a row is added to each way of being discordant (Agresti and Min 2005), so that no change keeps an error.
    """
    n, up, down = len(differences), differences.count(1) + 0.5, differences.count(-1) + 0.5
    mean, moved = statistics.fmean(differences), n + 2
    half = Z * math.sqrt((up + down) / moved - ((up - down) / moved) ** 2) / math.sqrt(moved)
    return mean, mean - half, mean + half


def mean_of_differences(rows):
    """(mean, low, high) of the differences b - a over data sets; rows: (a, n_a, b, n_b), each of independent rows.

    Shares are moved towards one half by one row each way (Agresti and Caffo 2000), so that 0 and 1 keep an error."""
    def variance(share, n):
        moved = (share * n + 1) / (n + 2)
        return moved * (1 - moved) / (n + 2)

    mean = statistics.fmean(b - a for a, _, b, _ in rows)
    half = Z * math.sqrt(sum(variance(a, n_a) + variance(b, n_b) for a, n_a, b, n_b in rows)) / len(rows)
    return mean, mean - half, mean + half


def welch_interval(a_values, b_values):
    """(mean difference b - a, low, high) of two unpaired samples."""
    mean = statistics.fmean(b_values) - statistics.fmean(a_values)
    if min(len(a_values), len(b_values)) < 2:
        return mean, -math.inf, math.inf
    half = t_quantile(min(len(a_values), len(b_values)) - 1) * math.sqrt(
        statistics.variance(a_values) / len(a_values) + statistics.variance(b_values) / len(b_values))
    return mean, mean - half, mean + half
