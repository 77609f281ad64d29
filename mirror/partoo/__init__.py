"""Partoo's REST API, asked where its webhooks cannot tell: the client, within the rate limit of the whole fleet."""
