// Peers written for these tests on top of Python's grpcio and dnspython.
#pragma once

#include <string>
#include <vector>

#include "base/ip_address.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"

namespace meshdns::e2e {

// How to start tests/e2e/python/<script> with these arguments, by Debian's own Python.
[[nodiscard]] support::ProcessOptions python_script(const std::string& script,
                                                    const std::vector<std::string>& arguments);

// What ads_client.py prints; throws std::runtime_error when it fails.
[[nodiscard]] std::string ads_client(const std::vector<std::string>& arguments);

// The first endpoint of a service ("MESH/NAME"), as grpcio learns it from the control plane.
[[nodiscard]] SocketAddress first_endpoint(const support::ControlPlaneProgram& control_plane,
                                           const std::string& service);

}  // namespace meshdns::e2e
