"""Compiles protobuf descriptors into a scan program: the tables of integers that drive the kernel in `wire.py`.

In: a root message, its *items* (what is counted, rejected, and becomes a row of output: a span), and the columns
wanted. Out: a `Program`, in which every wanted repeated message is a table and every wanted field a column. Promised:
nothing here knows a field number; another signal is another call of `compile_program`.

A path names fields from the root, `resource_spans.scope_spans.spans`. A column's path starts at its table's message and
runs through singular messages, which are inlined into its row: `status.code`. It may end at a oneof, `value.value`:
such a column takes two words, which member was set and what it held. What is not wanted is still checked for its form.

A program is a graph of nodes, one for each message type in its place. `lut[node * TAGS + tag]` is the step to take for
a tag met in that node, packed into one word:

    bits  0-3  4      5      6      7        8-15    16-23  24-31  32-39  40-47    48-55  56    57   58
          op   ONEOF  STORE  SPINE  UNUSUAL  column  node   table  sets   forbids  size   PAIR  KEY  PROFILES

`sets` and `forbids` are bits that a message remembers: a field that forbids what was set before makes it non-canonical.
A step into a row has the parent's word for it as `column`, and as `size` the node that only checks its message; a
packed field has the size of an element there. Tag 0 is nobody's: there a node says whether it is an ITEM, of which
table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from receivers.otlp.arrays import Words

TAGS = 256  # one-byte tags and the two-byte ones up to field 31, all that OTLP uses; a higher field counts as unknown
BYTE = 256  # what the bits of a step can tell apart: columns, nodes, tables

SKIP = 0  # unknown, or of no interest
SCALAR = 1  # the value itself
SLICE = 2  # a string or bytes: where it stands
PACKED = 3  # a repeated scalar in one piece: where it stands
MESSAGE = 4  # walk into it
ROW = 5  # walk into it with a new row of its table

ONEOF = 1 << 4  # also store the field's number, in the word before the column
STORE = 1 << 5  # the column is wanted
SPINE = 1 << 6  # on the way from the root to the items, or inherited from there by every item
UNUSUAL = 1 << 7  # legal, but no canonical form has it
PAIR = 1 << 56  # a row whose message is a key and a oneof: most of what there is, so the kernel has a short way
KEY = 1 << 57  # the key of such a row
PROFILES = 1 << 58  # unusual because it belongs to profiles: it counts as absent, which needs no other form
ITEM = 1  # of what a node says of itself
COLUMN_AT, NODE_AT, TABLE_AT, SETS_AT, FORBIDS_AT, SIZE_AT = range(8, 56, 8)

# How an item tells its time: not at all, by a beginning and an end, or by the first of two that is set.
TIMELESS, SPANNING, EITHER = range(3)

# A table's place in the arena: where its rows begin, words in a row, words from row to row, most rows, its `children`.
BASE, WIDTH, STEP, CAPACITY, CHILDREN, CHILDREN_END = range(6)
PLACE_WORDS = 6
UNLIMITED = 1 << 40

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)
_FIXED64 = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64)
_FIXED32 = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32)
_LENGTH = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)
_ELEMENT_SIZE = {VARINT: 0, FIXED64: 8, FIXED32: 4}


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of one repeated message are laid out.

    `columns` gives the word of each column, and under a child table's path the word that holds the number of the row's
    first child there: a row's children end where the next row's begin.
    """

    columns: Mapping[str, int]
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What of a table's rows is looked at before they count.

    `ids` are columns that must have so many bytes and not be all zero. `times` are two columns of nanoseconds, a
    beginning and an end or, if it is `either`, a time and the one that stands in where it is 0.
    """

    ids: Mapping[str, int] = field(default_factory=dict)
    times: tuple[str, str] | None = None
    either: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the kernel needs to know of a signal.

    `places` puts the tables, in their order, into an arena of one row each that only counts; `children` lists (parent
    table, child table, parent's word), sorted; `checks` lists (table, word, length) of ids; `times` has for each table
    (how, word, word); `spine` are the tables from the root to the items.
    """

    lut: Words
    tables: Mapping[str, Table]
    places: Words
    children: Words
    checks: Words
    times: Words
    spine: tuple[int, ...]


def compile_program(root: Descriptor, *, items: Mapping[str, Item], wanted: Mapping[str, Sequence[str]]) -> Program:
    """A program that fills `wanted` (column paths by table path), whose `items` are some of these tables.

    Raises:
        ValueError: a path leads nowhere, or the program would be too large for its words.
    """
    tables = {path: _table(root, path, columns, wanted) for path, columns in wanted.items()}
    compiler = _Compiler(tables=tables, items=tuple(items))
    compiler.node(root, "", "")
    if max(len(compiler.nodes), len(tables), *(table.width for table in tables.values())) > BYTE:
        raise ValueError(f"expected at most {BYTE} messages, tables, and columns in each")
    children = np.array(_children(tables), np.int64).reshape(-1, 3)
    return Program(
        lut=np.concatenate(compiler.nodes),
        tables=tables,
        places=_places(tables, children),
        children=children,
        checks=_checks(tables, items),
        times=np.array([_times(table, items.get(path)) for path, table in tables.items()], np.int64),
        spine=tuple(number for number, path in enumerate(tables) if compiler.leads_to_item(path)),
    )


def _table(root: Descriptor, path: str, columns: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> Table:
    words = {child: word for word, child in enumerate(child for child in wanted if _parent(child, wanted) == path)}
    width = len(words)
    for column in columns:
        words[column] = width
        width += _size(root, f"{path}.{column}")
    return Table(words, width)


def _parent(path: str, wanted: Mapping[str, Sequence[str]]) -> str | None:
    """The nearest table above `path`."""
    return max((other for other in wanted if path.startswith(f"{other}.")), key=len, default=None)


def _size(root: Descriptor, path: str) -> int:
    """Words that the column takes in its row."""
    message: Descriptor | None = root
    *above, last = path.split(".")
    for name in above:
        inner = message.fields_by_name.get(name) if message else None
        message = inner.message_type if inner else None
    if message is None or (last not in message.fields_by_name and last not in message.oneofs_by_name):
        raise ValueError(f"{path}: expected a field or a oneof of {root.full_name}")
    return 1 if last in message.fields_by_name else 2


def _children(tables: Mapping[str, Table]) -> list[tuple[int, int, int]]:
    numbers = {path: number for number, path in enumerate(tables)}
    return [
        (number, numbers[name], word)
        for number, table in enumerate(tables.values())
        for name, word in table.columns.items()
        if name in numbers
    ]


def _places(tables: Mapping[str, Table], children: Words) -> Words:
    places = np.zeros((len(tables), PLACE_WORDS), np.int64)
    places[:, WIDTH] = [table.width for table in tables.values()]
    places[1:, BASE] = np.cumsum(places[:-1, WIDTH])
    places[:, CAPACITY] = UNLIMITED
    places[:, CHILDREN] = np.searchsorted(children[:, 0], np.arange(len(tables)), "left")
    places[:, CHILDREN_END] = np.searchsorted(children[:, 0], np.arange(len(tables)), "right")
    return places


def _checks(tables: Mapping[str, Table], items: Mapping[str, Item]) -> Words:
    checks = [
        (number, table.columns[name], size)
        for number, (path, table) in enumerate(tables.items())
        if path in items
        for name, size in items[path].ids.items()
    ]
    return np.array(checks, np.int64).reshape(-1, 3)


def _times(table: Table, item: Item | None) -> tuple[int, int, int]:
    if item is None or item.times is None:
        return TIMELESS, 0, 0
    first, second = (table.columns[name] for name in item.times)
    return EITHER if item.either else SPANNING, first, second


def _is_pair(table: Table) -> bool:
    """Whether a row is one word for a key, and two for a oneof within the message beside it."""
    return len(table.columns) == 2 and table.width == 3  # noqa: PLR2004


def _wire_type(field_: FieldDescriptor) -> int:
    if field_.type in _LENGTH:
        return LENGTH
    return FIXED64 if field_.type in _FIXED64 else FIXED32 if field_.type in _FIXED32 else VARINT


@dataclass(slots=True, kw_only=True)
class _Compiler:
    """Builds nodes, depth first. Node 0 knows no field; nodes outside of all tables are shared, so recursion ends.

    `table` is the table whose row a message is part of, "" above all tables, None for what is only checked.
    """

    tables: Mapping[str, Table]
    items: Sequence[str]
    nodes: list[Words] = field(default_factory=lambda: [np.zeros(TAGS, np.int64)])
    checked: dict[str, int] = field(default_factory=dict)

    def leads_to_item(self, path: str) -> bool:
        return any(f"{item}.".startswith(f"{path}.") for item in self.items)

    def node(self, message: Descriptor, table: str | None, prefix: str) -> int:
        """The number of a new node for `message`, whose fields are columns of `table` under `prefix`."""
        number = self._open()
        bits = _Bits()
        for field_ in message.fields:
            self._field(number, field_, table, prefix, bits)
        if table and table in self.items and not prefix:
            self.nodes[number][0] = ITEM | self._number(table) << TABLE_AT
        return number

    def _number(self, table: str) -> int:
        return list(self.tables).index(table)

    def _checking_node(self, message: Descriptor) -> int:
        if message.full_name not in self.checked:
            self.checked[message.full_name] = number = self._open()
            for field_ in message.fields:
                self._field(number, field_, None, "", _Bits())
        return self.checked[message.full_name]

    def _open(self) -> int:
        self.nodes.append(np.zeros(TAGS, np.int64))
        return len(self.nodes) - 1

    def _field(self, node: int, field_: FieldDescriptor, table: str | None, prefix: str, bits: "_Bits") -> None:
        path, wire = f"{prefix}{field_.name}", _wire_type(field_)
        step = self._column(field_, table, prefix, bits)
        if field_.message_type is not None:
            step |= self._message(field_, field_.message_type, table, path, bits)
        elif field_.is_repeated and wire != LENGTH:
            self._set(node, field_, wire, UNUSUAL if step & STORE else SKIP)
            step |= PACKED | _ELEMENT_SIZE[wire] << SIZE_AT | (bits.once(path) if step & STORE else 0)
            wire = LENGTH
        elif step & STORE:
            step |= SLICE | self._inherited(table, path) if wire == LENGTH else SCALAR
            step |= KEY if wire == LENGTH and table and not step & ONEOF and _is_pair(self.tables[table]) else 0
        if field_.name.endswith("_strindex"):
            step |= UNUSUAL | PROFILES
        self._set(node, field_, wire, step)

    def _inherited(self, table: str | None, path: str) -> int:
        """SPINE for what every item below `table` repeats."""
        is_above = table and table not in self.items and self.leads_to_item(table) and "." not in path
        return SPINE if is_above else 0

    def _set(self, node: int, field_: FieldDescriptor, wire: int, step: int) -> None:
        tag = field_.number << 3 | wire
        if tag < TAGS:
            self.nodes[node][tag] = step
        elif step:
            raise ValueError(f"{field_.full_name}: expected a field number below {TAGS >> 3}, got {field_.number}")

    def _column(self, field_: FieldDescriptor, table: str | None, prefix: str, bits: "_Bits") -> int:
        """The part of a step that says where to store."""
        if not table:
            return SKIP
        columns = self.tables[table].columns
        oneof = f"{prefix}{field_.containing_oneof.name}" if field_.containing_oneof else ""
        if oneof in columns:
            return STORE | ONEOF | columns[oneof] + 1 << COLUMN_AT | bits.once(oneof)
        word = columns.get(f"{prefix}{field_.name}")
        return SKIP if word is None else STORE | word << COLUMN_AT

    def _message(
        self, field_: FieldDescriptor, message: Descriptor, table: str | None, path: str, bits: "_Bits"
    ) -> int:
        """The part of a step that says where to walk."""
        full = f"{table}.{path}" if table else path
        if table is not None and full in self.tables:
            spine = SPINE | bits.bit("spine") << SETS_AT if self.leads_to_item(full) else 0
            return ROW | spine | self._row(message, table, full)
        if table is None or field_.is_repeated or not self._anything_below(table, path):
            return MESSAGE | self._checking_node(message) << NODE_AT
        spine = 0 if self.leads_to_item(full) else self._inherited(table, path)
        spine |= bits.bit("spine") << FORBIDS_AT if spine else 0
        once = bits.once(field_.containing_oneof.name if field_.containing_oneof else path)
        return MESSAGE | spine | once | self.node(message, table, f"{path}.") << NODE_AT

    def _row(self, message: Descriptor, table: str, full: str) -> int:
        pair = PAIR | self._checking_node(message) << SIZE_AT if _is_pair(self.tables[full]) else 0
        word = self.tables[table].columns[full] << COLUMN_AT if table else 0
        return pair | word | self.node(message, full, "") << NODE_AT | self._number(full) << TABLE_AT

    def _anything_below(self, table: str, path: str) -> bool:
        wanted = [*self.tables, *(f"{table}.{column}" for column in self.tables[table].columns)] if table else []
        return any(name.startswith(f"{table}.{path}.") for name in wanted)


@dataclass(slots=True)
class _Bits:
    """Names for the bits by which a message remembers what it has seen."""

    names: list[str] = field(default_factory=list)

    def bit(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        if len(self.names) > FORBIDS_AT - SETS_AT:
            raise ValueError(f"expected at most 8 fields that must not come twice in one message, got {self.names}")
        return 1 << self.names.index(name)

    def once(self, name: str) -> int:
        return self.bit(name) << SETS_AT | self.bit(name) << FORBIDS_AT
