"""Documents written back: what was read comes out again, in the words that it was read in.

In: models. Out: YAML that reads as the same models. Keys that were left out stay out; numbers, lengths and selectors
are as they were written. Comments, anchors and the order of keys are YAML's and not the document's: they are not kept.
"""

from collections.abc import Iterable
from typing import Any

import yaml

from pipeline.config import PLAIN
from processors.slo.metadata import Document


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1, or 1.2 as we read it, would take for anything but text."""


for _resolver in PLAIN:
    _Dumper.add_implicit_resolver(*_resolver)


def to_data(document: Document) -> dict[str, Any]:
    """A document as the mapping it was read from."""
    return document.model_dump(by_alias=True, exclude_unset=True)


def to_yaml(documents: Iterable[Document]) -> str:
    """Documents as a file of them."""
    return yaml_of(map(to_data, documents))


def yaml_of(data: Iterable[Any]) -> str:
    """Mappings as a file of documents."""
    return yaml.dump_all(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
