#!/usr/bin/env python3
"""Asks the resolver with dnspython and decodes strictly: dns_answers.py PORT NAME ADDRESS.

Exits with 0 when each answer is what the RFCs say it is.
"""

import sys

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.reversename


def ask(port, name, kind, transport, **options):
    query = dns.message.make_query(name, kind, **options)
    response = transport(query, "127.0.0.1", port=port, timeout=60)
    # What dnspython decoded, it encodes and decodes to the same.
    assert dns.message.from_wire(response.to_wire()) == response, response
    assert query.is_response(response), response
    return response


def main():
    port, name, address = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    for transport in (dns.query.udp, dns.query.tcp):
        answer = ask(port, name, "A", transport, use_edns=0)
        assert answer.rcode() == dns.rcode.NOERROR, answer
        assert answer.flags & dns.flags.AA, answer
        assert [str(record) for record in answer.answer[0]] == [address], answer
        assert answer.edns == 0, answer

        plain = ask(port, name.upper(), "A", transport, use_edns=False)
        assert plain.edns == -1, plain
        assert plain.question[0].name.to_text() == name.upper() + ".", plain

        nodata = ask(port, name, "MX", transport)
        assert nodata.rcode() == dns.rcode.NOERROR and not nodata.answer, nodata
        assert nodata.authority[0].rdtype == dns.rdatatype.SOA, nodata

        missing = ask(port, "missing.mesh", "A", transport)
        assert missing.rcode() == dns.rcode.NXDOMAIN, missing
        assert missing.authority[0].rdtype == dns.rdatatype.SOA, missing

        reverse = ask(port, dns.reversename.from_address(address), "PTR", transport)
        assert str(reverse.answer[0][0]) == name + ".", reverse


main()
