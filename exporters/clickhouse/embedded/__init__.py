"""The ClickHouse engine as a library, behind ClickHouse's own HTTP interface."""

from exporters.clickhouse.embedded.service import EmbeddedClickHouse, EmbeddedSettings

__all__ = ["EmbeddedClickHouse", "EmbeddedSettings"]
