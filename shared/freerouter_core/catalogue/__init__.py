"""Models, what they can do and which are free; providers and their limits. Pure: text to facts."""

from .model import Catalogue, Model
from .parse import parse_models
from .providers import Account, Limit, Provider

__all__ = ["Account", "Catalogue", "Limit", "Model", "Provider", "parse_models"]
