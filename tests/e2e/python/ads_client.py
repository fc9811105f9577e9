#!/usr/bin/env python3
"""A delta ADS client made of Python's grpcio: asks a control plane for services or endpoints,
acknowledges, and prints them.

  ads_client.py 127.0.0.1:5678 services            -> "default/web 80/http"
  ads_client.py 127.0.0.1:5678 endpoints NAME...   -> "default/web 192.0.2.1:80 east"
"""

import queue
import sys

import ads_wire as ads
import grpc


def ask(target, type_url, names):
    """The resources of the first response, which is acknowledged."""
    requests = queue.Queue()
    first = ads.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
    first.node.id = "default.grpcio"
    first.node.metadata.fields["mesh"].string_value = "default"
    requests.put(first)
    with grpc.insecure_channel(target) as channel:
        method = channel.stream_stream(
            ads.METHOD,
            request_serializer=ads.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=ads.DeltaDiscoveryResponse.FromString)
        stream = method(iter(requests.get, None), timeout=60)
        response = next(stream)
        requests.put(ads.DeltaDiscoveryRequest(type_url=type_url, response_nonce=response.nonce))
        requests.put(None)
        return response.resources


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
    else:
        print_endpoints(ask(target, ads.ENDPOINTS, names))


main()
