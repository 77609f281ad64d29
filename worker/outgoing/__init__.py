"""Outgoing webhooks: one sender an endpoint, fed by one follower of the feed a process."""
