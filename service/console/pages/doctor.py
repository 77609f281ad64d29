"""What `python -m mirror doctor` says, when somebody asks for it."""

from mirror.cli.check import FAIL, OK, WARN
from mirror.cli.doctor import examine
from service.console.visit import Page, Visit


async def show_doctor(visit: Visit) -> Page:
    if not visit.parameter("run"):
        return Page("doctor.html", "Doctor", {"checks": None, "failed": 0, "warned": 0})
    checks = await examine(visit.store, visit.settings)
    worst_first = sorted(checks, key=lambda check: (FAIL, WARN, OK).index(check.state))
    states = [check.state for check in checks]
    return Page(
        "doctor.html", "Doctor", {"checks": worst_first, "failed": states.count(FAIL), "warned": states.count(WARN)}
    )
