"""Send Celery tasks about distinct reviews. `python -m tools.bench.peers.enqueue_celery COUNT`."""

import base64
import sys

from tools.bench.peers.flask_celery import apply_event
from tools.bench.requests import make_body

if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        apply_event.delay(base64.b64encode(make_body(number)).decode())
