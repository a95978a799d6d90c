"""Typed data, and the text that the programs read: no engine, no template."""

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.CSafeDumper):
    """Never writes anchors: every reader of these files is a person sooner or later."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def to_yaml(document: Mapping[str, Any]) -> str:
    """Write one document with its keys in the order that they were given in."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
