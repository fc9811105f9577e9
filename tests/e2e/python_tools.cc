#include "tests/e2e/python_tools.h"

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"

namespace meshdns::e2e {

support::ProcessOptions python_script(const std::string& script,
                                      const std::vector<std::string>& arguments) {
  support::ProcessOptions options;
  options.argv = {"/usr/bin/python3", "-B", std::string(MESHDNS_PYTHON_FOLDER) + "/" + script};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = {std::string("MESHDNS_PYTHON_PROTOS=") + MESHDNS_PYTHON_PROTOS};
  return options;
}

std::string ads_client(const std::vector<std::string>& arguments) {
  support::Process client(python_script("ads_client.py", arguments));
  if (client.wait() != 0) {
    throw std::runtime_error("ads_client.py: " + client.standard_error());
  }
  return client.standard_output();
}

SocketAddress first_endpoint(const support::ControlPlaneProgram& control_plane,
                             const std::string& service) {
  std::istringstream line(ads_client({control_plane.address(), "endpoints", service}));
  std::string name;
  std::string address;
  line >> name >> address;
  return SocketAddress::parse(address).value();
}

}  // namespace meshdns::e2e
