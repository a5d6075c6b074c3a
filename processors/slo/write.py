"""Documents written back: what was read comes out again, in the words that it was read in.

In: models. Out: YAML that reads as the same models. Keys that were left out stay out; numbers, lengths and selectors
are as they were written. Comments, anchors and the order of keys are YAML's and not the document's: they are not kept.
"""

from collections.abc import Iterable
from typing import Any

import yaml

from processors.slo.metadata import Document


def to_data(document: Document) -> dict[str, Any]:
    """A document as the mapping it was read from."""
    return document.model_dump(by_alias=True, exclude_unset=True)


def to_yaml(documents: Iterable[Document]) -> str:
    """Documents as a file of them."""
    return yaml.safe_dump_all(map(to_data, documents), sort_keys=False, allow_unicode=True)
