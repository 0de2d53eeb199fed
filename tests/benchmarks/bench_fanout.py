"""Fan-out side by side: this hub, Node's socket.io, python-socketio, and bare writes.

Run by hand: ``make bench-fanout``. Each server runs in a process of its own on one core;
the same client program, on another, is the crowd of all of them, and the measurements
take turns, so that only ratios count. See ``docs/performance.md``.
"""

import argparse
import resource
import sys
from pathlib import Path

from tests.benchmarks.fanout import report
from tests.benchmarks.fanout.contestants import ALL, Contestant
from tests.benchmarks.fanout.measures import Plan, measure

_BY_NAME = {"hub": ALL[0], "node": ALL[1], "stock": ALL[2], "bare": ALL[3]}


def main() -> int:
    options = _options()
    chosen: list[Contestant] = [_BY_NAME[name] for name in options.servers]
    plan = Plan(
        sizes=options.sizes,
        rounds=options.rounds,
        seconds=options.seconds,
        steady_size=1_000 if 1_000 in options.sizes else max(options.sizes),
    )
    raise_file_limit(len(chosen) * max(plan.sizes) + 200)
    print(report.build(), flush=True)
    figures = measure(chosen, plan)
    print(report.table(figures, plan))
    print("\n".join(report.verdicts(figures, plan)))
    if options.plot:
        report.draw(figures, plan, options.plot)
    if options.json:
        options.json.write_text(report.as_json(figures, plan))
    return 0


def raise_file_limit(needed: int) -> None:
    """As many descriptors as the crowds need; the servers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{needed} open files are needed, {hard} are allowed (ulimit -n)")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1_000, 4_000])
    parser.add_argument("--rounds", type=int, default=Plan().rounds)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--servers", nargs="+", choices=_BY_NAME, default=list(_BY_NAME))
    parser.add_argument("--plot", type=Path, help="an SVG to be drawn")
    parser.add_argument("--json", type=Path, help="where the figures are written, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
