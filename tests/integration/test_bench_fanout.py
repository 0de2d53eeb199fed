"""The fan-out benchmark runs, in small: every server delivers, every figure is one."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.process import ROOT

SIZES = (5, 10)


def test_every_server_delivers_to_the_whole_crowd_and_is_measured(tmp_path: Path) -> None:
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    sizes = [str(size) for size in SIZES]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.bench_fanout", "--sizes", *sizes),
            *("--rounds", "1", "--seconds", "0.2", "--json", figures, "--plot", plot),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]  # a lost event is an error there
    servers = json.loads(figures.read_text())["servers"]
    assert set(servers) == {"this hub", "Node socket.io", "python-socketio", "bare writes"}
    for name, measured in servers.items():
        assert name in done.stdout
        assert name in plot.read_text()
        for size in map(str, SIZES):
            assert measured["per_s"][size] > 0, name
            assert measured["cpu_us"][size] >= 0, name
        assert measured["idle_bytes"] < 1_000_000, name
