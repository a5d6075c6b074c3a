"""Protobuf messages whose strings are bytes, so that one string that is not UTF-8 does not cost its whole request.

In: a generated message class. Out: its twin, from the same descriptors with every `string` declared `bytes`, which has
the same wire form.
"""

from functools import cache
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_POOL = DescriptorPool()


def tolerant(message: type[Message]) -> type[Message]:
    """The twin of `message` that takes any bytes for text."""
    return _twin(message.DESCRIPTOR.file, message.DESCRIPTOR.full_name)


@cache
def _twin(file: FileDescriptor, name: str) -> type[Message]:
    _add(file)
    return GetMessageClass(_POOL.FindMessageTypeByName(name))


@cache
def _add(file: FileDescriptor) -> None:
    for dependency in file.dependencies:
        _add(dependency)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _loosen(message)
    _POOL.Add(proto)


def _loosen(message: Any) -> None:
    for field in message.field:
        if field.type == FieldDescriptorProto.TYPE_STRING:
            field.type = FieldDescriptorProto.TYPE_BYTES
    for nested in message.nested_type:
        _loosen(nested)
