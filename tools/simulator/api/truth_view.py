"""The truth as JSON: what `GET /truth` answers, `serve --truth-file` writes and `compare` reads. Performs no I/O."""

from typing import Any

from tools.simulator.api.source import TruthSource
from tools.simulator.population.events import moment


def truth_view(source: TruthSource, *, history: bool) -> dict[str, Any]:
    """Show every review as it is now; with `history` also everything that happened, each with its whole payload."""
    view: dict[str, Any] = {
        "now": moment(source.now()).isoformat(),
        "finished": source.finished(),
        "reviews": list(source.reviews()),
    }
    if history:
        view["events"] = [
            {"at": moment(event.at).isoformat(), "kind": event.kind, "review": event.payload}
            for event in source.events()
        ]
    return view
