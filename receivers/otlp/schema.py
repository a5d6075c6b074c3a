"""Compiles protobuf descriptors into a scan program: the tables of integers that drive the kernel in `wire.py`.

In: a root message, the path of its *item* (what is counted, rejected and becomes a row of output: a span), the columns wanted.
Out: a `Program`, in which every wanted repeated message is a table and every wanted field a column of its table's rows.
Promised: nothing here knows a field number; another signal is another call of `compile_program`.

A path names fields from the root, `resource_spans.scope_spans.spans`. A column's path starts at its table's message and runs
through singular messages, which are inlined into its row: `status.code`. It may end at a oneof, `value.value`: such a column
takes two words, which member was set and what it held. What is not wanted is still checked for being well formed.

A program is a graph of nodes, one for each message type in its place, and `lut[node * TAGS + tag]` is the step to take for a tag
met in that node, packed into one word:

    bits  0-3  4      5      6      7        8-15    16-23  24-31  32-39  40-47    48-55
          op   ONEOF  STORE  SPINE  UNUSUAL  column  node   table  sets   forbids  element size (PACKED; 0: varint)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from receivers.otlp.jit import Words

TAGS = 256  # one-byte tags and the two-byte ones up to field 31: all that OTLP uses; a higher field is unknown

SKIP = 0  # unknown, or of no interest
SCALAR = 1  # the value itself
SLICE = 2  # a string or bytes: where it stands
PACKED = 3  # a repeated scalar in one piece: where it stands
MESSAGE = 4  # walk into it
ROW = 5  # walk into it, with a new row of its table

ONEOF = 1 << 4  # also store the field's number, in the word before the column
STORE = 1 << 5  # the column is wanted
SPINE = 1 << 6  # on the way from the root to the item, or inherited from there by every item
UNUSUAL = 1 << 7  # legal, but no canonical form has it
COLUMN_AT, NODE_AT, TABLE_AT, SETS_AT, FORBIDS_AT, SIZE_AT = range(8, 56, 8)

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)
_WIDE = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64)
_NARROW = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32)
_LENGTH = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)
_ELEMENT_SIZE = {VARINT: 0, FIXED64: 8, FIXED32: 4}


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one repeated message. `columns` gives a column's word in the row; a child table's path gives the word
    that holds the number of its first child there, so that a row's children end where the next row's begin.
    """

    path: str
    columns: Mapping[str, int]
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the kernel needs to know of a signal.

    `children` lists (parent table, child table, parent's word), sorted by parent; `checks` lists (word, length) of the item's ids,
    which must have that length and not be all zero; `spine` are the tables from the root to the item, which is the last.
    """

    lut: Words
    tables: tuple[Table, ...]
    children: Words
    checks: Words
    spine: tuple[int, ...]
    item_node: int

    def table(self, path: str) -> Table:
        return next(table for table in self.tables if table.path == path)


def compile_program(
    root: Descriptor, *, item: str, ids: Mapping[str, int], wanted: Mapping[str, Sequence[str]]
) -> Program:
    """A program that fills `wanted` (column paths by table path) and rejects items whose `ids` lack their length in bytes."""
    tables = _tables(root, wanted)
    compiler = _Compiler(tables={table.path: number for number, table in enumerate(tables)}, layout=tables, item=item)
    compiler.node(root, "", "")
    item_table = tables[compiler.tables[item]]
    return Program(
        lut=np.concatenate(compiler.nodes),
        tables=tables,
        children=np.array(_children(tables), np.int64).reshape(-1, 3),
        checks=np.array([(item_table.columns[name], size) for name, size in ids.items()], np.int64).reshape(-1, 2),
        spine=tuple(number for number, table in enumerate(tables) if compiler.leads_to_item(table.path)),
        item_node=compiler.item_node,
    )


def _tables(root: Descriptor, wanted: Mapping[str, Sequence[str]]) -> tuple[Table, ...]:
    return tuple(_table(root, path, columns, wanted) for path, columns in wanted.items())


def _table(root: Descriptor, path: str, columns: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> Table:
    words: dict[str, int] = {}
    width = 0
    for child in wanted:
        if _parent(child, wanted) == path:
            words[child] = width
            width += 1
    for column in columns:
        words[column] = width
        width += _size(root, f"{path}.{column}")
    return Table(path, words, width)


def _parent(path: str, wanted: Mapping[str, Sequence[str]]) -> str | None:
    """The nearest wanted table above `path`."""
    above = [other for other in wanted if path.startswith(f"{other}.")]
    return max(above, key=len, default=None)


def _children(tables: Sequence[Table]) -> list[tuple[int, int, int]]:
    number = {table.path: at for at, table in enumerate(tables)}
    return [
        (at, number[name], word)
        for at, table in enumerate(tables)
        for name, word in table.columns.items()
        if name in number
    ]


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


def _wire_type(field_: FieldDescriptor) -> int:
    if field_.type in _LENGTH:
        return LENGTH
    return FIXED64 if field_.type in _WIDE else FIXED32 if field_.type in _NARROW else VARINT


@dataclass(slots=True, kw_only=True)
class _Compiler:
    """Builds nodes depth first. Node 0 knows no field; nodes outside of every table are shared by type, so recursion ends."""

    tables: Mapping[str, int]
    layout: Sequence[Table]
    item: str
    nodes: list[Words] = field(default_factory=lambda: [np.zeros(TAGS, np.int64)])
    unwanted: dict[str, int] = field(default_factory=dict)
    item_node: int = -1

    def leads_to_item(self, path: str) -> bool:
        return f"{self.item}.".startswith(f"{path}.")

    def node(self, message: Descriptor, table: str | None, prefix: str) -> int:
        """The node of `message`, whose fields are columns of `table` under `prefix`."""
        number = self._open()
        bits = _Bits()
        for field_ in message.fields:
            self._field(number, field_, table, prefix, bits)
        if table == self.item and not prefix:
            self.item_node = number
        return number

    def _open(self) -> int:
        self.nodes.append(np.zeros(TAGS, np.int64))
        return len(self.nodes) - 1

    def _field(self, node: int, field_: FieldDescriptor, table: str | None, prefix: str, bits: "_Bits") -> None:
        path = f"{prefix}{field_.name}"
        wire = _wire_type(field_)
        step, oneof = self._column(field_, table, prefix)
        if oneof:
            step |= bits.once(oneof)
        if field_.type == FieldDescriptor.TYPE_MESSAGE:
            step |= self._message(field_, table, path, bits)
        elif field_.is_repeated and wire != LENGTH:
            stored = step & STORE
            self._set(node, field_, wire, UNUSUAL if stored else SKIP)
            step |= PACKED | _ELEMENT_SIZE[wire] << SIZE_AT | (bits.once(path) if stored else 0)
            wire = LENGTH
        elif step & STORE:
            step |= SLICE if wire == LENGTH else SCALAR
        self._set(node, field_, wire, step)

    def _set(self, node: int, field_: FieldDescriptor, wire: int, step: int) -> None:
        tag = field_.number << 3 | wire
        if tag < TAGS:
            self.nodes[node][tag] = step
        elif step:
            raise ValueError(f"{field_.full_name}: expected a field number below {TAGS >> 3}, got {field_.number}")

    def _column(self, field_: FieldDescriptor, table: str | None, prefix: str) -> tuple[int, str]:
        """The part of a step that says where to store, and the oneof the column stands for."""
        if not table:
            return SKIP, ""
        columns = self.layout[self.tables[table]].columns
        oneof = f"{prefix}{field_.containing_oneof.name}" if field_.containing_oneof else ""
        if oneof in columns:
            return STORE | ONEOF | columns[oneof] + 1 << COLUMN_AT, oneof
        word = columns.get(f"{prefix}{field_.name}")
        return (SKIP if word is None else STORE | word << COLUMN_AT), ""

    def _message(self, field_: FieldDescriptor, table: str | None, path: str, bits: "_Bits") -> int:
        if table is None:
            return MESSAGE | self._unwanted(field_.message_type) << NODE_AT
        full = f"{table}.{path}" if table else path
        if full in self.tables:
            child = self.node(field_.message_type, full, "")
            spine = SPINE | bits.bit("spine") << SETS_AT if self.leads_to_item(full) else 0
            return ROW | spine | child << NODE_AT | self.tables[full] << TABLE_AT
        if field_.is_repeated or not self._anything_below(table, path, full):
            return MESSAGE | self._unwanted(field_.message_type) << NODE_AT
        child = self.node(field_.message_type, table, f"{path}.")
        inherited = SPINE | bits.bit("spine") << FORBIDS_AT if self._inherited(table, path) else 0
        return MESSAGE | inherited | bits.once(path) | child << NODE_AT

    def _anything_below(self, table: str, path: str, full: str) -> bool:
        if not table:
            return False
        columns = self.layout[self.tables[table]].columns
        return any(name.startswith(f"{path}.") for name in columns) or any(
            other.startswith(f"{full}.") for other in self.tables
        )

    def _inherited(self, table: str, path: str) -> bool:
        """Whether the message stands in a spine message, so that every item below has it too."""
        return table != self.item and self.leads_to_item(table) and "." not in path

    def _unwanted(self, message: Descriptor) -> int:
        """The node that only checks `message`."""
        if message.full_name not in self.unwanted:
            self.unwanted[message.full_name] = number = self._open()
            for field_ in message.fields:
                self._field(number, field_, None, "", _Bits())
        return self.unwanted[message.full_name]


@dataclass(slots=True)
class _Bits:
    """The eight bits by which a frame remembers what it has seen."""

    names: list[str] = field(default_factory=list)

    def bit(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        if len(self.names) > 8:
            raise ValueError(f"expected at most 8 fields that must not come twice in one message, got {self.names}")
        return 1 << self.names.index(name)

    def once(self, name: str) -> int:
        return self.bit(name) << SETS_AT | self.bit(name) << FORBIDS_AT
