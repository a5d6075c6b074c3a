"""A browser, and pages to look at."""

from fixtures.browser import browser
from fixtures.page_scenes import databases, scenes, serve

__all__ = ["browser", "databases", "scenes", "serve"]
