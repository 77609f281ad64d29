"""The HTTP side of the mirror: the webhook endpoint, the read API, health and metrics."""
