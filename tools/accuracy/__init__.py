"""How faithful the mirror is: seeded populations through the real stack, over several wires. `make faithful`.

strategies   ordinary guards against repeated and late events, to compare with; pure
wires        under which conditions: how webhooks travel, what Partoo's API is like; pure
true_time    the rules alone, with the windows of production; pure
stack        one run: real processes, the simulator as Partoo, and faults in our own house
rhythms      simulated years of deliveries, and whether silence is told: `python -m tools.accuracy.rhythms`; pure
report       the tables and what they must show
"""
