"""`make bench`: everything side by side in one run, on a real Redis with its append-only file.

Prints one table and writes bench-results.json.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import redis

from mirror.storage.embedded import embedded_redis
from tools.bench.acknowledging import acknowledgements, latencies
from tools.bench.clicking import clicking
from tools.bench.draining import drains
from tools.bench.growing import growth, kept
from tools.bench.rating import ratings
from tools.bench.requests import write_requests
from tools.bench.sinking import sinking

RESULTS = Path("bench-results.json")
PARTS = ("acknowledgements", "latencies", "drains", "growth", "kept", "ratings", "postgres", "console")


def tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    quick = options.quick
    # Many short slices rather than few long ones: a slow spell of the machine then hits both sides of a ratio.
    rounds, seconds = ((2, 2), 1.0) if quick else ((8, 2), 1.25)
    drain_rounds, growth_rounds, steady_seconds = (2, 2, 4.0) if quick else (7, 15, 8.0)
    sizes = (10_000, 30_000) if quick else (10_000, 100_000, 1_000_000)
    results: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    with tempfile.TemporaryDirectory(prefix="reviewmirror-bench-") as name, embedded_redis(f"{name}/redis") as url:
        folder = Path(name)
        results["redis"] = _server(url)
        requests = folder / "requests"
        write_requests(requests, 20_000, 20_000)
        parts = {
            "acknowledgements": lambda: acknowledgements(url, requests, rounds, seconds, tell),
            "latencies": lambda: latencies(url, requests, steady_seconds, tell),
            "drains": lambda: drains(url, folder, drain_rounds, tell),
            "growth": lambda: growth(folder, sizes=sizes, rounds=growth_rounds, tell=tell),
            "kept": lambda: kept(url, folder, tell),
            "ratings": lambda: ratings(url, folder, tell),
            "postgres": lambda: sinking(url, folder, tell),
            "console": lambda: clicking(url, folder, requests, tell),
        }
        for part in options.only or PARTS:
            tell(f"{part} …")
            results[part] = parts[part]()
    return results


def _server(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        facts = client.execute_command("INFO")
    return f"Redis {facts['redis_version']} with {facts['mem_allocator']}"


def table(results: dict[str, Any]) -> str:
    """Write the results as Markdown."""
    lines = [f"Machine: {results['machine']}, Python {results['python']}, {results['redis']}.", ""]
    if "acknowledgements" in results:
        lines += [
            "| acknowledgements | acknowledged/s | ours over this | processor µs each | this over ours |",
            "| --- | --- | --- | --- | --- |",
        ]
        found = results["acknowledgements"]
        lines += [
            f"| {name} | {found['per_second'][name]:.0f} | {found['ours_over'][name]} "
            f"| {found['processor_us'][name]:.0f} | {found['processor_over_ours'][name]} |"
            for name in found["per_second"]
        ]
        lines.append("")
    if "drains" in results:
        lines += ["| drains | applied/s | ours over this |", "| --- | --- | --- |"]
        found = results["drains"]
        lines += [
            f"| {name} | {found['per_second'][name]:.0f} | {found['ours_over'][name]} |" for name in found["per_second"]
        ]
        lines.append("")
    if "latencies" in results:
        lines += [
            "| rate | POST to 200: p50, p99, p99.9 (ms) | POST to visible: p50, p99, p99.9 (ms) |",
            "| --- | --- | --- |",
        ]
        for rate, found in results["latencies"].items():
            cells = [", ".join(str(value) for value in found[kind].values()) for kind in ("answered_ms", "visible_ms")]
            lines.append(f"| {rate}/s | {cells[0]} | {cells[1]} |")
        lines.append("")
    if "growth" in results:
        lines += [
            "| reviews | bytes each | a change | over payload | web µs | worker µs | Redis µs | growth | without web |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {size} | {' | '.join(str(value) for value in found.values())} |"
            for size, found in results["growth"].items()
        ]
        lines.append("")
    if "kept" in results:
        lines += ["| raw deliveries kept | bytes a delivery |", "| --- | --- |"]
        lines += [f"| {name} | {found} |" for name, found in results["kept"]["bytes_a_delivery"].items()]
        lines.append("")
    if "ratings" in results:
        lines += _ratings(results["ratings"])
    if "postgres" in results:
        found = results["postgres"]
        lines += ["| Postgres | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in found.items()), ""]
    if "console" in results:
        lines += _console(results["console"])
    return "\n".join(lines)


def _console(found: dict[str, Any]) -> list[str]:
    lines = ["| page of the console | ms | at most ms | KB |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {' | '.join(str(value) for value in one.values())} |" for name, one in found["pages"].items()
    ]
    lines += ["", "| POST to 200: p50, p99, p99.9 (ms) | |", "| --- | --- |"]
    answered = found["answered_ms"]
    return [*lines, *(f"| {name} | {', '.join(map(str, one.values()))} |" for name, one in answered.items()), ""]


def _ratings(found: dict[str, Any]) -> list[str]:
    memory = f"memory at most {found['peak_mb_before']} MB before, {found['peak_mb_after']} MB after"
    lines = [f"| ratings, {memory} | first ms | then ms | processor ms |", "| --- | --- | --- | --- |"]
    rows = {name: one for name, one in found.items() if isinstance(one, dict)}
    lines += [f"| {name} | {' | '.join(str(value) for value in one.values())} |" for name, one in rows.items()]
    return [*lines, ""]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short slices and a small mirror: a few minutes")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone (may be repeated)")
    results = measure(parser.parse_args())
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    sys.stdout.write(table(results) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
