"""Flask that sends one Celery task for each event, and the task.

`gunicorn -k gthread --threads 8 tools.bench.peers.flask_celery:app`, `celery -A tools.bench.peers.flask_celery worker`.
"""

import base64
import os

import redis
from celery import Celery
from flask import Flask, request

from mirror.domain.signature import verify
from mirror.domain.wire import SIGNATURE_HEADER, decode_review
from tools.bench.ceiling import KEYS
from tools.bench.peers.applying import decide, write

_URL = os.environ.get("REDIS_URL", "")
app = Flask(__name__)
celery = Celery("peer", broker=_URL.replace("unix://", "redis+socket://"))
celery.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
store = redis.Redis.from_url(_URL) if _URL else redis.Redis()


@app.post("/webhooks/partoo")
def receive() -> dict[str, str]:
    body = request.get_data()
    verify(KEYS, body, request.headers.getlist(SIGNATURE_HEADER))
    decode_review(body)
    apply_event.delay(base64.b64encode(body).decode())
    return {"status": "accepted"}


@celery.task(bind=True)
def apply_event(self, encoded: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    body = base64.b64decode(encoded)
    review_id = decode_review(body).review_id
    while True:
        with store.pipeline(transaction=True) as pipe:
            pipe.watch(f"bench:{review_id}")
            write(pipe, review_id, decide(self.request.id, body, pipe.get(f"bench:{review_id}")))  # type: ignore[arg-type]
            try:
                pipe.execute()
            except redis.WatchError:
                continue
            return
