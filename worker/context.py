"""What stands in every log line of a job."""

from typing import Any

import structlog


def begin(ctx: dict[str, Any], job: str) -> None:
    """Name the job, and its id in arq, in the lines that it logs from here on."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(job_id=ctx["job_id"], job=job)
