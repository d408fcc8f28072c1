"""What models there are, what each can do, and which are free. Pure: it is given text and gives facts."""

from .model import Catalogue, Model
from .parse import parse_models
from .providers import Account, Limit, Provider

__all__ = ["Account", "Catalogue", "Limit", "Model", "Provider", "parse_models"]
