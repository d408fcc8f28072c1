"""What a router reports: data that prints as a table and draws itself."""

from .bars import Bar, Bars
from .candidacy import Candidacy
from .cells import Cell
from .costs import CostEstimate
from .explanation import Explanation
from .health import HealthReport
from .models import Models
from .performance import Performance, PerformanceReport
from .quota import BackgroundPlan, QuotaLine, QuotaReport
from .recommendations import Recommendations
from .sessions import SessionStats
from .stats import Stats
from .tables import Drawn, Table, Tabled, format_seconds, format_share
from .timeline import Timeline
from .trail import Trail, TrailLine

__all__ = [
    "BackgroundPlan",
    "Bar",
    "Bars",
    "Candidacy",
    "Cell",
    "CostEstimate",
    "Drawn",
    "Explanation",
    "HealthReport",
    "Models",
    "Performance",
    "PerformanceReport",
    "QuotaLine",
    "QuotaReport",
    "Recommendations",
    "SessionStats",
    "Stats",
    "Table",
    "Tabled",
    "Timeline",
    "Trail",
    "TrailLine",
    "format_seconds",
    "format_share",
]
