"""What a delivery means for a review. Performs no I/O: no network, no Redis, no asyncio, no clock, no environment."""
