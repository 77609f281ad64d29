"""FastAPI that enqueues one arq job for each event. `uvicorn tools.bench.peers.fastapi_arq:app --no-access-log`."""

from fastapi import FastAPI, HTTPException, Request

from mirror.domain.signature import verify
from mirror.domain.wire import SIGNATURE_HEADER, decode_review
from tools.bench.ceiling import KEYS
from tools.bench.peers.arq_jobs import connect

app = FastAPI()
arq = connect()


@app.post("/webhooks/partoo")
async def receive(request: Request) -> dict[str, str]:
    body = await request.body()
    verify(KEYS, body, request.headers.getlist(SIGNATURE_HEADER))
    decode_review(body)
    if await arq.enqueue_job("apply_event", body) is None:
        raise HTTPException(503)
    return {"status": "accepted"}
