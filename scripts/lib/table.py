"""The table that scripts/bench prints: what, value, budget, verdict."""

MIB = 1 << 20
GIB = 1 << 30


def line(what, value, budget="", verdict=""):
    """One row; `verdict` is empty where there is no budget."""
    print(f"| {what:<66} | {value:>20} | {budget:>9} | {verdict:<4} |", flush=True)


def judged(what, value, shown, budget, shown_budget, at_least=False):
    """One row with a verdict; `value` may be at most `budget`, or must be at least that."""
    is_kept = value >= budget if at_least else value <= budget
    line(what, shown, shown_budget, "ok" if is_kept else "MISS")
    return is_kept


def mib(count):
    return f"{count / MIB:.1f} MiB"


def percentile(values, percent):
    """The smallest value that `percent` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) * percent // 100, len(ranked) - 1)]
