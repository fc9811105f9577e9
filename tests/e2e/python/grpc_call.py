"""Makes one call through gRPC's own xDS client and prints what the backend says.

Usage: GRPC_XDS_BOOTSTRAP=FILE grpc_call.py xds:///HOSTNAME:PORT
"""

import sys

import grpc


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        # Without serialisers a message is its octets.
        say = channel.unary_unary("/example.Echo/Say")
        print(say(b"hello", timeout=20).decode())


if __name__ == "__main__":
    main()
