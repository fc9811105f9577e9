#!/usr/bin/env python3
"""A delta ADS client made of Python's grpcio: asks a control plane for services or endpoints,
acknowledges, and prints them.

  ads_client.py 127.0.0.1:5678 services            -> "default/web 80/http"
  ads_client.py 127.0.0.1:5678 endpoints NAME...   -> "default/web 192.0.2.1:80 east"
  ads_client.py 127.0.0.1:5678 refuse TEXT         -> refuses all services with TEXT, and stays
"""

import queue
import sys

import ads_wire as ads
import grpc


def open_stream(channel, requests, type_url, names):
    """A stream whose requests come from a queue; the first is there already."""
    first = ads.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
    first.node.id = "default.grpcio"
    first.node.metadata.fields["mesh"].string_value = "default"
    requests.put(first)
    method = channel.stream_stream(
        ads.METHOD,
        request_serializer=ads.DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=ads.DeltaDiscoveryResponse.FromString)
    return method(iter(requests.get, None), timeout=60)


def ask(target, type_url, names):
    """The resources of the first response, which is acknowledged."""
    requests = queue.Queue()
    with grpc.insecure_channel(target) as channel:
        stream = open_stream(channel, requests, type_url, names)
        response = next(stream)
        requests.put(ads.DeltaDiscoveryRequest(type_url=type_url, response_nonce=response.nonce))
        requests.put(None)
        return response.resources


def refuse(target, text):
    """Refuses every response until it is ended."""
    requests = queue.Queue()
    with grpc.insecure_channel(target) as channel:
        for response in open_stream(channel, requests, ads.SERVICE, ["*"]):
            refusal = ads.DeltaDiscoveryRequest(type_url=ads.SERVICE, response_nonce=response.nonce)
            refusal.error_detail.message = text
            requests.put(refusal)


def print_services(resources):
    for resource in resources:
        service = ads.Service.FromString(resource.resource.value)
        ports = " ".join(f"{port.number}/{port.protocol}" for port in service.ports)
        print(resource.name, ports)


def print_endpoints(resources):
    for resource in resources:
        assignment = ads.ClusterLoadAssignment.FromString(resource.resource.value)
        for group in assignment.endpoints:
            for one in group.lb_endpoints:
                address = one.endpoint.address.socket_address
                print(resource.name, f"{address.address}:{address.port_value}",
                      group.locality.zone)


def main():
    target, what, *names = sys.argv[1:]
    if what == "services":
        print_services(ask(target, ads.SERVICE, ["*"]))
    elif what == "refuse":
        refuse(target, names[0])
    else:
        print_endpoints(ask(target, ads.ENDPOINTS, names))


main()
