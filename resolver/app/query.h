// The verb `query`: one question to one server, with the answer as text for people. The message is
// made, sent and decoded by ldns, so that it also judges our own answers.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace meshdns::dns {

struct QueryOptions {
  std::string name;  // a domain name, or an IP address: then its PTR is asked
  std::string type;  // empty: A, or PTR of an address
  std::string server;
  bool tcp = false;
  std::string timeout = "2s";
};

// The whole response in presentation form (RFC 1035 section 5.1), with the server and the time
// taken. UDP, again over TCP when the answer is truncated. kInvalidArgument names the argument that
// is wrong; kNetwork when no response came. Blocks: at most two timeouts.
[[nodiscard]] Result<std::string> run_query(const QueryOptions& options);

// A mnemonic, or TYPE and a number (RFC 3597 section 5).
[[nodiscard]] Result<std::uint16_t> parse_record_type(const std::string& text);

}  // namespace meshdns::dns
