"""Help for tests, of this package and of yours: Hypothesis strategies in :mod:`genotools.testing.strategies`.

Nothing of the package imports this room, and it imports Hypothesis only where strategies are used.
"""

__all__: list[str] = []
