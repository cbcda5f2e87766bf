"""Model families: all that a command needs to know of what it trains and evaluates."""

from mtl.families.build import family_of
from mtl.families.family import Family, Indices

__all__ = ["Family", "Indices", "family_of"]
