"""Pages to look at."""

from fixtures.page_scenes import databases, scenes, serve

__all__ = ["databases", "scenes", "serve"]
