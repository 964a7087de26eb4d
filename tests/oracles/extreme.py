"""Vectors at the ends of what may be asked, by the formulas at 50 digits: `extreme.py SEED CASES FOLDER`.

The bounds are held to relative limits: they may be 1e-11.
"""

import json
import random
import sys

import mpmath
from mpmath import exp, log, mp, mpf
from scipy import stats

mp.dps = 50
SEED, CASES, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
draw = random.Random(SEED)

HALF = mpf(1) / 2
PASS = [(1 - HALF**k, mpf(1) / 9) for k in range(6, 0, -1)] + [(HALF**k, mpf(1) / 33) for k in range(2, 13)]
FAIL = [(HALF**k, mpf(1) / 24) for k in range(1, 25)]


def ln_sum(terms):
    most = max(terms)
    return most + log(sum(exp(term - most) for term in terms))


def e_pass(n, a, b, m):
    zero, minus = m / (1 - m), (1 + m) / (1 - m)
    return ln_sum([log(w) + a * log(1 - f) + (n - a - b) * log(1 + f * zero) + b * log(1 + f * minus) for f, w in PASS])


def e_fail(n, a, m):
    return ln_sum([log(w) + a * log(1 + f * (1 - m) / m) + (n - a) * log(1 - f) for f, w in FAIL])


def e_fail_paired(n, a, b, m):
    plus, zero = (1 - m) / (1 + m), m / (1 + m)
    return ln_sum([log(w) + a * log(1 + f * plus) + (n - a - b) * log(1 - f * zero) + b * log(1 - f) for f, w in PASS])


def turn(f, least, most):
    """Where f, negative below and not above, turns; None where it does not."""
    low, high = mpf(least) + (mpf(10) ** -310 if least == 0 else mpf(10) ** -40), mpf(most) - mpf(10) ** -40
    if f(high) < 0 or f(low) >= 0:
        return None
    while high - low > mpf(10) ** -22 * max(abs(low), abs(high)):
        middle = mpmath.sqrt(low * high) if low > 0 and high > 4 * low else (low + high) / 2
        low, high = (low, middle) if f(middle) >= 0 else (middle, high)
    return high


def bounds(e_pass, e_fail, least, alpha):
    upper = turn(lambda m: e_pass(m) - log(1 / mpf(alpha)), least, 1)
    lower = turn(lambda m: log(1 / mpf(alpha)) - e_fail(m), least, 1)
    return {"lower": least if lower is None else float(lower), "upper": 1 if upper is None else float(upper)}


def verdict(passes, fails, alpha):
    level = log(1 / mpf(alpha))
    return "fail" if fails >= level else "pass" if passes >= level else "inconclusive"


def some_alpha():
    return draw.choice([0.9, 0.5, 0.05, 0.01, 1e-6, 1e-12, 1e-30])


def some_n():
    return draw.choice([0, 1, 2, 10, draw.randint(3, 10**5), 10**9, draw.randint(10**9, 10**12), 10**12])


def some_of(n):
    few = int(n * 10 ** -draw.uniform(0, 12))
    return min(n, draw.choice([0, 1, few, n - few, n // 2, n]))


def some_tolerance(n, a):
    """Anything, or beside the rate."""
    beside = abs(a / n * (1 + draw.uniform(-3, 3) / max(1, abs(a)) ** 0.5)) if n and a else 10 / (n + 11)
    ends = [1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-6]
    return draw.choice(ends + [min(max(beside, 1e-12), 1 - 1e-7)] * 7)


def bernoulli():
    n, alpha = some_n(), some_alpha()
    a = some_of(n)
    m = some_tolerance(n, a)
    passes, fails = e_pass(n, a, 0, mpf(m)), e_fail(n, a, mpf(m))
    case = {"n": n, "divergent": a, "tolerance": m, "alpha": alpha}
    case |= {"log_e_pass": float(passes), "log_e_fail": float(fails), "verdict": verdict(passes, fails, alpha)}
    case |= bounds(lambda m: e_pass(n, a, 0, m), lambda m: e_fail(n, a, m), 0, alpha)
    return case | {"tol": {"log_e_abs": 1e-6, "log_e_rel": 1e-9, "bound_abs": 1e-30, "bound_rel": 1e-9}}


def paired():
    n, alpha = some_n(), some_alpha()
    a = some_of(n)
    b = some_of(n - a)
    m = some_tolerance(n, a - b)
    passes, fails = e_pass(n, a, b, mpf(m)), e_fail_paired(n, a, b, mpf(m))
    case = {"n": n, "candidate_only": a, "control_only": b, "tolerance": m, "alpha": alpha}
    case |= {"excess": (a - b) / n if n else None, "verdict": verdict(passes, fails, alpha)}
    case |= {"log_e_pass": float(passes), "log_e_fail": float(fails)}
    case |= bounds(lambda m: e_pass(n, a, b, m), lambda m: e_fail_paired(n, a, b, m), -1, alpha)
    return case | {"tol": {"log_e_abs": 1e-6, "log_e_rel": 1e-9, "bound_abs": 1e-15, "bound_rel": 1e-9}}


def block():
    m = draw.choice([0.5, 0.1, 1e-6, 1 - 1e-6])
    ns = [draw.choice([0, 1, draw.randint(2, 60), 10 ** draw.randint(2, 12)]) for _ in range(draw.choice([0, 1, 12]))]
    hits = [some_of(n) for n in ns]
    means = [mpf(h) / n for n, h in zip(ns, hits) if n]
    wealth = lambda grid, bet: float(ln_sum([log(w) + sum(log(1 + f * bet(x)) for x in means) for f, w in grid]))
    e = {"log_e_pass": wealth(PASS, lambda x: (m - x) / (1 - mpf(m))), "log_e_fail": wealth(FAIL, lambda x: (x - m) / mpf(m))}
    return {"block_n": ns, "block_hits": hits, "tolerance": m, **e, "tol": {"log_e_abs": 1e-8, "log_e_rel": 1e-12}}


def eta():
    n, alpha = some_n(), some_alpha()
    a = some_of(n) if draw.random() < 0.3 else min(n, draw.randint(0, 5))
    m = some_tolerance(n, a)
    rate = mpf(a + HALF) / (n + 1) if a else mpf(0)
    reached = lambda k: e_pass(mpf(n) + k, a + rate * k, 0, mpf(m)) >= log(1 / mpf(alpha))
    low, high = 0, 1
    if reached(0):
        more = 0
    else:
        while not reached(high) and high < 2**53 and rate < m:
            low, high = high, high * 2
        while high - low > 1 and reached(high):
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        more = high if reached(high) else None
    case = {"n": n, "divergent": a, "tolerance": m, "alpha": alpha, "assumed_rate": float(rate)}
    return case | {"more_samples_to_pass": more, "tol": {"rel": 1e-9, "abs": 1}}


def fixed():
    n, alpha = draw.choice([1, 2, 10, draw.randint(3, 10**5), 10**9]), some_alpha()
    a = some_of(n)
    p, z = mpf(a) / n, mpf(stats.norm.isf(alpha / 2))
    scale, half = 1 + z * z / n, z * mpmath.sqrt(p * (1 - p) / n + z * z / (4 * mpf(n) ** 2))
    middle = p + z * z / (2 * n)
    wilson = [float(max((middle - half) / scale, 0)), float(min((middle + half) / scale, 1))]
    above = lambda alpha: 1.0 if a == n else float(stats.beta.isf(alpha, a + 1, n - a))
    below = 0.0 if a == 0 else float(stats.beta.ppf(alpha / 2, a, n - a + 1))
    case = {"n": n, "divergent": a, "alpha": alpha, "wilson": wilson, "clopper_pearson": [below, above(alpha / 2)]}
    return case | {"cp_one_sided_upper": above(alpha), "tol": {"rel": 1e-8, "abs": 1e-12}}


for kind, make in {"bernoulli": bernoulli, "paired": paired, "block": block, "eta": eta, "fixed-n": fixed}.items():
    cases = [make() for _ in range(CASES)]
    with open(f"{FOLDER}/stats-{kind}-extreme.json", "w") as file:
        head = f'"what": "the ends of what may be asked", "source": "tests/oracles/extreme.py {SEED} {CASES}"'
        file.write("{" + head + ', "cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]}\n")
