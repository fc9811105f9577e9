"""The aggregated discovery service for Python's grpcio, from our own .proto files.

MESHDNS_PYTHON_PROTOS names the folder with what protoc --python_out made.
"""

import os
import sys

sys.path.append(os.environ["MESHDNS_PYTHON_PROTOS"])

# pylint: disable=wrong-import-position
from envoy.config.endpoint.v3 import endpoint_pb2  # noqa: E402
from envoy.service.discovery.v3 import discovery_pb2  # noqa: E402
from meshdns.mesh.v1 import service_pb2  # noqa: E402

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
SERVICE_NAME = "envoy.service.discovery.v3.AggregatedDiscoveryService"
PREFIX = "type.googleapis.com/"
SERVICE = PREFIX + "meshdns.mesh.v1.Service"
ENDPOINTS = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"

Service = service_pb2.Service
ClusterLoadAssignment = endpoint_pb2.ClusterLoadAssignment
DeltaDiscoveryRequest = discovery_pb2.DeltaDiscoveryRequest
DeltaDiscoveryResponse = discovery_pb2.DeltaDiscoveryResponse
