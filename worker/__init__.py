"""The arq side of the mirror: applies what waits in the inboxes."""
