"""The console: the mirror as pages for people, rendered on the server. A sub-application of its own under /console.

It has its own connections to Redis, sessions and templates. The webhook's path and the commit know nothing of it.
"""
