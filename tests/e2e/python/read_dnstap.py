"""Reads a file of Frame Streams with dnstap in it (argv[1]; argv[2] holds the schema's modules):
prints TYPE PROTOCOL NAME QTYPE RCODE IDENTITY of each message, and fails at the first that is not
right. RCODE is "-" for questions."""

import struct
import sys

import dns.message
import dns.rcode
import dns.rdatatype

sys.path.insert(0, sys.argv[2])
from dnstap import dnstap_pb2  # noqa: E402


def frames(content):
    """The data frames; control frames are checked and left out."""
    started = ended = False
    while content:
        (size,) = struct.unpack_from("!I", content)
        content = content[4:]
        if size == 0:
            (size,) = struct.unpack_from("!I", content)
            control, content = content[4:4 + size], content[4 + size:]
            (kind,) = struct.unpack_from("!I", control)
            started = started or kind == 2
            ended = ended or kind == 3
            assert kind in (2, 3), kind
            if kind == 2:
                assert b"protobuf:dnstap.Dnstap" in control
            continue
        assert started and not ended
        yield content[:size]
        content = content[size:]
    assert started and ended


Message = dnstap_pb2.Message
with open(sys.argv[1], "rb") as file:
    data = file.read()
for frame in frames(data):
    event = dnstap_pb2.Dnstap.FromString(frame)
    assert event.version.startswith(b"meshdns "), event
    assert event.type == dnstap_pb2.Dnstap.MESSAGE
    message = event.message
    is_query = message.type in (Message.CLIENT_QUERY, Message.FORWARDER_QUERY)
    octets = message.query_message if is_query else message.response_message
    decoded = dns.message.from_wire(octets)
    assert bool(decoded.flags & dns.flags.QR) != is_query, event
    assert message.socket_family == dnstap_pb2.INET
    if message.type in (Message.CLIENT_QUERY, Message.CLIENT_RESPONSE):
        assert message.query_address == bytes([127, 0, 0, 1]) and message.query_port != 0
    else:
        assert message.response_address == bytes([127, 0, 0, 1]) and message.response_port != 0
    if message.type == Message.CLIENT_RESPONSE:
        asked = message.query_time_sec * 10**9 + message.query_time_nsec
        told = message.response_time_sec * 10**9 + message.response_time_nsec
        assert 0 <= told - asked < 60 * 10**9, event
    question = decoded.question[0]
    print(Message.Type.Name(message.type),
          dnstap_pb2.SocketProtocol.Name(message.socket_protocol),
          question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype),
          "-" if is_query else dns.rcode.to_text(decoded.rcode()), event.identity.decode())
