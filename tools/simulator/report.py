"""What became of a step, as a line for people or an object for programs. Performs no I/O."""

from typing import Any

from tools.simulator.scenario import Step
from tools.simulator.sending import Attempt, Delivery

_SHORT_DIGEST = 12


def line(step: Step, delivery: Delivery) -> str:
    """Tell one step in one line: date, what Partoo says, the body, the answer."""
    body = f"{len(step.body)} bytes {step.sha256[:_SHORT_DIGEST]}"
    if step.same_as is not None:
        body += f", byte for byte the same as {step.same_as}"
    return f"{step.at:%Y-%m-%d %H:%M}  {step.name}: {step.says} | {body} | {_answer(delivery)}"


def facts(step: Step, delivery: Delivery) -> dict[str, Any]:
    """Tell the same as a JSON object; times in milliseconds, the digest in full."""
    last = delivery.attempts[-1]
    return {
        "step": step.name,
        "at": step.at.isoformat(),
        "says": step.says,
        "type": step.type,
        "bytes": len(step.body),
        "sha256": step.sha256,
        "same_as": step.same_as,
        "acknowledged": delivery.acknowledged,
        "status": last.status,
        "delivery_id": _field(delivery.answer, "delivery_id"),
        "ms": _ms(last),
        "attempts": [
            {"status": attempt.status, "error": attempt.error, "ms": _ms(attempt)} for attempt in delivery.attempts
        ],
        "answer": delivery.answer,
    }


def redelivery(step: Step, attempt: Attempt, delay: float) -> str:
    return f"{step.name}: {_outcome(attempt)}; sent again in {delay:g} s"


def loss(step: Step, delivery: Delivery) -> str:
    """Say which event was lost and why."""
    return f"{step.name}: {reason_of_loss(delivery)}"


def reason_of_loss(delivery: Delivery) -> str:
    last = delivery.attempts[-1]
    reason = _outcome(last)
    error = _field(delivery.answer, "error")
    if isinstance(error, dict):
        reason += f" {error.get('code')}: {error.get('message')}"
    if last.may_be_repeated:
        return f"lost after {len(delivery.attempts)} attempts, the last: {reason}"
    return f"lost at once, Partoo never sends again what was answered with {reason}"


def _answer(delivery: Delivery) -> str:
    last = delivery.attempts[-1]
    parts = [_outcome(last)]
    status = _field(delivery.answer, "status")
    if isinstance(status, str):
        parts[0] += f" {status}"
    delivery_id = _field(delivery.answer, "delivery_id")
    if delivery_id is not None:
        parts.append(f"delivery_id {delivery_id}")
    parts.append(f"{_ms(last):g} ms")
    if len(delivery.attempts) > 1:
        parts.append(f"attempt {len(delivery.attempts)}")
    return ("" if delivery.acknowledged else "LOST: ") + ", ".join(parts)


def _outcome(attempt: Attempt) -> str:
    return attempt.error if attempt.error is not None else str(attempt.status)


def _field(answer: Any, name: str) -> Any:
    return answer.get(name) if isinstance(answer, dict) else None


def _ms(attempt: Attempt) -> float:
    return round(attempt.seconds * 1000, 1)
