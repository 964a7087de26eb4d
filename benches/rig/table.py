"""Rounds to figures, and figures to a table that can be read in a terminal and pasted into Markdown."""

import statistics


class Table:
    """`measured` are the rounds behind it, for those who want them."""

    def __init__(self, title, heads, measured):
        self.title, self.heads, self.measured = title, heads, measured
        self.rows = []

    def row(self, *cells):
        """A cell is a text, a number, or None for what is not known."""
        self.rows.append(cells)

    def text(self):
        lines = [self.heads, *([_cell(c) for c in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.heads))]
        pad = lambda line: "| " + " | ".join(c.ljust(w) if i == 0 or not self._numeric(i) else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))) + " |"
        rule = "|" + "|".join("-" * (w + 1) + (":" if i and self._numeric(i) else "-") for i, w in enumerate(widths)) + "|"
        return "\n".join([f"{self.title}", "", pad(lines[0]), rule, *map(pad, lines[1:]), ""])

    def _numeric(self, column):
        return not any(isinstance(row[column], str) for row in self.rows)


def median(rounds, what, missing=None):
    """The median of the rounds that have it."""
    values = [v for v in (r.get(what, missing) for r in rounds) if v is not None]
    return statistics.median(values) if values else None


def ratio(rounds, others, what):
    """The median of the ratios of rounds that stood next to each other: what swings for all falls out."""
    if not others:
        return None
    ratios = [a[what] / b[what] for a, b in zip(rounds, others) if a.get(what) and b.get(what)]
    return Ratio(statistics.median(ratios)) if ratios else None


class Ratio(float):
    """Written with two decimals."""


def _cell(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, Ratio) or abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
