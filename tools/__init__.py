"""Nothing here ships: rigs that play Partoo, measure, break and compare the mirror."""
