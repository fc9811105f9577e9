#!/usr/bin/env python3
"""A delta ADS server made of Python's grpcio, whose one response is partly bad: it offers a good
service and broken ones, and prints what the client says to that, one JSON object a line.

  ads_server.py 127.0.0.1:5678
"""

import concurrent.futures
import json
import sys
import threading

import ads_wire as ads
import grpc


def service(name, **fields):
    message = ads.Service(mesh="default", name=name, hostnames=[name + ".mesh"], **fields)
    if "ports" not in fields:
        message.ports.add(name="main", number=8080, protocol="http")
    return message.SerializeToString()


RESOURCES = {
    "default/good": service("good"),
    "default/bad-address": service("bad-address", addresses=["not an address"]),
    "default/bad-bytes": b"\xff\xff\xff",
}


def first_response():
    response = ads.DeltaDiscoveryResponse(type_url=ads.SERVICE, nonce="first")
    for name, value in RESOURCES.items():
        resource = response.resources.add(name=name, version="1")
        resource.resource.type_url = ads.SERVICE
        resource.resource.value = value
    return response


def stream(requests, _context):
    answered = False
    for request in requests:
        print(json.dumps({
            "type_url": request.type_url, "node": request.node.id,
            "nonce": request.response_nonce, "error": request.error_detail.message,
            "code": request.error_detail.code,
            "versions": dict(request.initial_resource_versions)}), flush=True)
        if request.type_url == ads.SERVICE and not answered:
            answered = True
            yield first_response()


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    handler = grpc.stream_stream_rpc_method_handler(
        stream, request_deserializer=ads.DeltaDiscoveryRequest.FromString,
        response_serializer=ads.DeltaDiscoveryResponse.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        ads.SERVICE_NAME, {"DeltaAggregatedResources": handler}),))
    server.add_insecure_port(sys.argv[1])
    server.start()
    threading.Event().wait()


main()
