"""How faithful the mirror is: seeded populations through the real stack, over several wires. `make faithful`.

strategies   ordinary guards against repeated and late events, to compare with; pure
stack        one run: real processes, the simulator as Partoo, and faults in our own house
report       the table and what it must show
"""
