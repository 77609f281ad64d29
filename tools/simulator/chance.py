"""Lots that fall the same way for the same seed, on every machine and in every process. Performs no I/O."""

import random

Dice = random.Random


def chance(*seed: object) -> Dice:
    """Give dice of their own for this seed: what one review draws never moves what another one draws."""
    # Seeded and repeatable on purpose; nothing here guards a secret.
    return random.Random("/".join(map(str, seed)))  # noqa: S311
