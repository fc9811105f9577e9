#!/usr/bin/env python3
"""Asks a control plane, by Python's grpcio, what its clients were told and said (CSDS).

  client_status.py 127.0.0.1:5678 default.   -> "default.web Cluster SYNCED ACKED DETAILS"

for each type of each client whose node's id begins so.
"""

import os
import sys

import grpc

sys.path.append(os.environ["MESHDNS_PYTHON_PROTOS"])

# pylint: disable=wrong-import-position
from envoy.admin.v3 import config_dump_shared_pb2  # noqa: E402
from envoy.service.status.v3 import csds_pb2  # noqa: E402

METHOD = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"


def main():
    target, prefix = sys.argv[1:]
    request = csds_pb2.ClientStatusRequest()
    request.node_matchers.add().node_id.prefix = prefix
    with grpc.insecure_channel(target) as channel:
        fetch = channel.unary_unary(
            METHOD,
            request_serializer=csds_pb2.ClientStatusRequest.SerializeToString,
            response_deserializer=csds_pb2.ClientStatusResponse.FromString)
        for client in fetch(request, timeout=60).config:
            for config in client.generic_xds_configs:
                print(client.node.id, config.type_url.rpartition(".")[2],
                      csds_pb2.ConfigStatus.Name(config.config_status),
                      config_dump_shared_pb2.ClientResourceStatus.Name(config.client_status),
                      config.error_state.details)


main()
