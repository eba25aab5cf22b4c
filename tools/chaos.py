"""Fault drill: disturb commands at random moments, go on, and compare the end with an undisturbed run, byte for byte.

    python tools/chaos.py [--faults 200] [--seed 0] [--only train]

Faults: ``kill -9``, ``SIGTERM``, Ctrl-C (``SIGINT``), a disk that is full (a small tmpfs, enlarged before going on;
needs root), the death of a worker, and a clock (``time.time``) that jumps a day, back or ahead. Each life of a
command takes up to three faults and is then let run to its end. A fault is *lost* where the command does not go on,
*different* where it ends with other bytes (times in JSON do not count), *told badly* where a person saw a traceback.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _chaos_scenarios import Scenario, contents, scenarios

from genotools.testing.inputs import write_inputs

KINDS = ("kill -9", "SIGTERM", "Ctrl-C", "full disk", "worker death", "clock jump")
SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
FAULTS_A_LIFE = 3
LONG_S = 600

JUMP = """
import os, time
_real, _start, _after = time.time, time.monotonic(), float(os.environ["CHAOS_JUMP_AFTER"])
_days = float(os.environ["CHAOS_JUMP_DAYS"])
time.time = lambda: _real() + 86400 * _days * (time.monotonic() - _start > _after)
"""


@dataclass
class Tally:
    """What happened to one command."""

    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    different: int = 0
    told_badly: int = 0
    notes: list[str] = field(default_factory=list)


class Drill:
    """The drill of one command."""

    def __init__(self, scenario: Scenario, work: Path, rng: np.random.Generator) -> None:
        self.scenario, self.work, self.rng = scenario, work, rng
        self.tally = Tally()
        self.jump = work / "jump"
        self.jump.mkdir(exist_ok=True)
        (self.jump / "sitecustomize.py").write_text(JUMP)
        reference = self._folder("reference")
        started = time.monotonic()
        code, text = self._run(reference, again=False)
        if code:
            raise SystemExit(f"{scenario.name}: the undisturbed run failed:\n{text}")
        self.seconds = time.monotonic() - started
        self.expected = contents(reference, in_order=not scenario.has_workers)
        self.size = sum(path.stat().st_size for path in reference.rglob("*") if path.is_file())

    def kinds(self) -> list[str]:
        """Return the faults that this command can meet here."""
        absent = {"full disk"} if os.geteuid() else set()
        absent |= set() if self.scenario.has_workers else {"worker death"}
        return [kind for kind in KINDS if kind not in absent]

    def live(self, number: int, n_faults: int) -> None:
        """Start the command anew, disturb it, let it end, and compare."""
        folder = self._folder(f"life-{number}")
        kinds = list(self.rng.choice(self.kinds(), size=n_faults))
        on_small_disk = "full disk" in kinds
        if on_small_disk:
            size = max(16_384, int(self.size * self.rng.uniform(0.05, 1.0)))
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        try:
            code, text, again = 1, "", False
            for kind in sorted(kinds, key=lambda kind: kind != "full disk"):
                code, text = self._disturb(folder, str(kind), again=again)
                again = True
                if code == 0:  # it has ended in spite of the fault
                    break
            if code:
                code, text = self._run(folder, again=again)
            self._judge(folder, code, text, kinds)
        finally:
            if on_small_disk:
                subprocess.run(["umount", folder], check=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _judge(self, folder: Path, code: int, text: str, kinds: list[str]) -> None:
        had_ended = "exists already" in text  # a signal that came after the output had its name
        if code and not had_ended:
            self.tally.lost += 1
            self.tally.notes.append(f"{kinds}: exit {code}: {text.strip()[-300:]}")
            return
        found = contents(folder, in_order=not self.scenario.has_workers)
        if found != self.expected:
            self.tally.different += 1
            names = sorted(
                name for name in {*found, *self.expected} if found.get(name) != self.expected.get(name)
            )
            self.tally.notes.append(f"{kinds}: differs: {', '.join(names)}")

    def _disturb(self, folder: Path, kind: str, *, again: bool) -> tuple[int, str]:
        """Run the command into a fault; return its exit code and what it printed."""
        after = float(self.rng.uniform(0.2, 1.0)) * self.seconds
        environment = {}
        if kind == "clock jump":
            places = os.pathsep.join([str(self.jump), *filter(None, [os.environ.get("PYTHONPATH")])])
            days = str(self.rng.choice([-1, 1]))
            environment = {"PYTHONPATH": places, "CHAOS_JUMP_AFTER": str(after), "CHAOS_JUMP_DAYS": days}
        process = self._start(folder, again=again, environment=environment)
        waits = LONG_S if kind in ("full disk", "clock jump") else after
        has_struck = False
        try:
            process.wait(timeout=waits)
        except subprocess.TimeoutExpired:
            has_struck = self._strike(process, kind)
        output = process.communicate(timeout=LONG_S)[0]
        is_met = process.returncode != 0 or kind == "clock jump" or (kind == "worker death" and has_struck)
        if "Traceback (most recent call last)" in output:
            self.tally.told_badly += 1
            self.tally.notes.append(f"{kind}: traceback: {output.strip()[-300:]}")
        self.tally.faults[kind] += is_met
        if kind == "full disk":
            subprocess.run(["mount", "-o", "remount,size=1g", folder], check=True)
        return process.returncode, output

    def _strike(self, process: subprocess.Popen[str], kind: str) -> bool:
        """Send a signal to the process, or to one of its workers; return whether there was one."""
        if kind != "worker death":
            process.send_signal(SIGNALS[kind])
            return True
        workers = subprocess.run(  # Python has another child that tracks what its processes share
            ["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=False
        ).stdout.split()
        if workers:
            subprocess.run(["kill", "-9", str(self.rng.choice(workers))], check=False)
        return bool(workers)

    def _start(
        self, folder: Path, *, again: bool, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "genotools", *self.scenario.command(folder, again=again)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )

    def _run(self, folder: Path, *, again: bool) -> tuple[int, str]:
        process = self._start(folder, again=again)
        output = process.communicate(timeout=LONG_S)[0]
        return process.returncode, output

    def _folder(self, name: str) -> Path:
        folder = self.work / name
        folder.mkdir()
        return folder


def main() -> None:
    """Run the drill and print its table."""
    parser = argparse.ArgumentParser(description="Disturb commands and compare their ends.")
    parser.add_argument("--faults", type=int, default=200, help="Faults in all.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="One command of the drill, by a part of its name.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as work:
        inputs = Path(work) / "inputs"
        inputs.mkdir()
        write_inputs(inputs)
        chosen = [one for one in scenarios(inputs) if arguments.only is None or arguments.only in one.name]
        if not chosen:
            parser.error(f"no command has {arguments.only!r} in its name")
        share = -(-arguments.faults // len(chosen))
        print(f"| command | {' | '.join(KINDS)} | lost | different | told badly |")
        print(f"| --- |{' ---: |' * (len(KINDS) + 3)}", flush=True)
        tallies = []
        for number, scenario in enumerate(chosen):
            place = Path(work) / f"scenario-{number}"
            place.mkdir()
            tallies.append(
                drill(Drill(scenario, place, np.random.default_rng([arguments.seed, number])), share)
            )
    total = sum(sum(tally.faults.values()) for tally in tallies)
    print(
        f"\n{total} faults, {sum(tally.lost for tally in tallies)} lost, "
        f"{sum(tally.different for tally in tallies)} different"
    )
    raise SystemExit(any(tally.lost or tally.different or tally.told_badly for tally in tallies))


def drill(one: Drill, n_faults: int) -> Tally:
    """Disturb one command until it has met its share of faults; print its line."""
    for life in range(10 * n_faults):
        left = n_faults - sum(one.tally.faults.values())
        if left <= 0:
            break
        one.live(life, min(FAULTS_A_LIFE, left))
    tally = one.tally
    counts = " | ".join(str(tally.faults[kind]) if kind in one.kinds() else "" for kind in KINDS)
    print(
        f"| {one.scenario.name} | {counts} | {tally.lost} | {tally.different} | {tally.told_badly} |",
        flush=True,
    )
    for note in tally.notes[:5]:
        print(f"<!-- {note} -->", flush=True)
    return tally


if __name__ == "__main__":
    main()
