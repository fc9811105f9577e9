// A client of the aggregated discovery service at argv[1], for as long as it is let, in a process
// of its own: a peer can make gRPC 1.51.1 abort it.
#include <chrono>

#include "base/backoff.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/type_urls.h"
#include "tests/discovery/xds/xds_fixture.h"

int main(int argc, char** argv) {
  using namespace meshdns;
  using namespace meshdns::discovery;
  using namespace std::chrono_literals;
  AdsClient::Options options;
  options.targets = {argc > 1 ? argv[1] : ""};
  options.connect_timeout = 1000ms;
  ControlLoop loop;
  const TestClient client(loop, options, kServiceTypeUrl, {.wildcard = true, .names = {}},
                          Backoff::Options{.initial = 1ms, .maximum = 2ms});
  static_cast<void>(loop.wait_for([] { return false; }, 10h));
  return 1;
}
