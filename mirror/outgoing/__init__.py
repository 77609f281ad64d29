"""Sending events to other programs' endpoints."""
