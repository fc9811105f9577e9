// AdsTransport on gRPC, whose completion queue has a thread of its own. No gRPC header leaks
// through here.
#pragma once

#include <memory>

#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_transport.h"

namespace meshdns::discovery {

// What `thread` calls outlives the transport and the tasks posted to it. Destroying the transport
// waits for what is under way; tasks already posted then do nothing.
[[nodiscard]] std::unique_ptr<AdsTransport> make_grpc_transport(const AdsClient::Options& options,
                                                                AdsClient::ControlThread thread);

}  // namespace meshdns::discovery
