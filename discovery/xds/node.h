// Who the client of a stream says it is: xDS's Node, as a plain value.
#pragma once

#include <map>
#include <string>

namespace meshdns::discovery {

struct NodeInfo {
  std::string id;
  std::string cluster;
  std::string region;
  std::string zone;
  std::string sub_zone;
  std::map<std::string, std::string> metadata;  // the entries that are strings
  std::string more_metadata;  // the others, to be sent: octets of a google.protobuf.Struct
  std::string user_agent;

  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};

}  // namespace meshdns::discovery
