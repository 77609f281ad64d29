"""The fault run: everything that can fail is made to fail under load, and then every delivery is accounted for.

`make torture`. A real Redis, real web and worker processes, signed deliveries over HTTP; docs/reliability.md says what
each fault is and what is checked.
"""
