"""The path of one delivery through the web process, from its raw bytes to its answer.

    address.WebhookResource   the router's rule: which requests are for the webhook
    handler.Webhook.receive   1. check the address and the secret
    body.BodyReader.read      2. read the raw body, within limits
    intake.Intake             3. verify the signature, 4. read the event's type and review id: 32 deliveries at a time
    batch_writer.BatchWriter  5. store all deliveries that wait, in one atomic write; refuse what waits too long
    handler.Webhook.receive   6. answer 200; keep as a dead letter what cannot be decoded
    outcomes.Outcomes         7. count and log the outcome

`delivery.Delivery` is what passes through these steps; its `done` future carries the outcome back to the handler.
Beside the path, in the background: `memory_guard` refuses deliveries before Redis is full, `worker_notifier` wakes a
worker, `metrics_buffer` adds up counts, `failed_attempts` records what Partoo will send again.
"""
