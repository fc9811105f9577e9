#include "resolver/app/query.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <strings.h>

#include <fmt/format.h>
#include <sys/time.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "resolver/app/setting_text.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;

constexpr std::uint16_t kDnsPort = 53;
constexpr std::uint16_t kUdpPayloadSize = 1232;
constexpr std::uint8_t kTries = 2;
constexpr milliseconds kMinTimeout{10};
constexpr milliseconds kMaxTimeout{60'000};

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* owned) const {
    kFree(owned);
  }
};
using Name = std::unique_ptr<ldns_rdf, Free<ldns_rdf_deep_free>>;
using Packet = std::unique_ptr<ldns_pkt, Free<ldns_pkt_free>>;
using Servers = std::unique_ptr<ldns_resolver, Free<ldns_resolver_deep_free>>;
using Text = std::unique_ptr<char, Free<std::free>>;

struct Question {
  Name name;
  ldns_rr_type type = LDNS_RR_TYPE_A;
};

Name to_rdf(const IpAddress& address) {
  return Name(ldns_rdf_new_frm_str(address.is_v4() ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
                                   address.to_string().c_str()));
}

Result<ldns_rr_type> parse_type(const std::string& text) {
  constexpr std::size_t kPrefixOctets = 4;
  const bool is_numbered = ::strncasecmp(text.c_str(), "TYPE", kPrefixOctets) == 0;
  // ldns takes any number and cuts it to 16 bits; 0 is what it does not know.
  const bool fits = !is_numbered || parse_number(text.substr(kPrefixOctets), 1, UINT16_MAX);
  const ldns_rr_type type = ldns_get_rr_type_by_name(text.c_str());
  if (!fits || static_cast<int>(type) == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no record type (write one such as AAAA or TYPE65)",
                            escape_name(text)));
  }
  return type;
}

Result<Question> parse_question(const QueryOptions& options) {
  Question question;
  const auto address = IpAddress::parse(options.name);
  if (address) {
    question.name.reset(ldns_rdf_address_reverse(to_rdf(*address).get()));
    question.type = LDNS_RR_TYPE_PTR;
  } else {
    question.name.reset(ldns_dname_new_frm_str(options.name.c_str()));
  }
  if (!question.name) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no domain name (write one such as web.mesh)",
                            escape_name(options.name)));
  }
  if (options.type.empty()) {
    return question;
  }
  const auto type = parse_type(options.type);
  if (!type) {
    return tl::unexpected(type.error());
  }
  question.type = *type;
  return question;
}

Result<SocketAddress> parse_server(const std::string& text) {
  auto server = SocketAddress::parse(text, kDnsPort);
  if (!server) {
    return fail(ErrorCode::kInvalidArgument,
                server.error().message + " (write ADDRESS[:PORT], such as 127.0.0.1:15053)");
  }
  if (server->port == 0 || server->scope_id != 0) {  // ldns knows no scope
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no place to send to (write an address without a scope, and a "
                            "port other than 0)",
                            escape_name(text)));
  }
  return server;
}

timeval to_timeval(milliseconds timeout) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  return {
      .tv_sec = whole.count(),
      .tv_usec = std::chrono::duration_cast<std::chrono::microseconds>(timeout - whole).count()};
}

Servers make_servers(const SocketAddress& server, bool tcp, milliseconds timeout) {
  Servers servers(ldns_resolver_new());
  ldns_resolver_push_nameserver(servers.get(), to_rdf(server.ip).get());
  ldns_resolver_set_port(servers.get(), server.port);
  ldns_resolver_set_recursive(servers.get(), true);
  ldns_resolver_set_usevc(servers.get(), tcp);
  ldns_resolver_set_edns_udp_size(servers.get(), kUdpPayloadSize);
  ldns_resolver_set_retry(servers.get(), kTries);
  ldns_resolver_set_retrans(servers.get(), 0);
  ldns_resolver_set_timeout(servers.get(), to_timeval(timeout));
  return servers;
}

}  // namespace

Result<std::uint16_t> parse_record_type(const std::string& text) {
  const auto type = parse_type(text);
  if (!type) {
    return tl::unexpected(type.error());
  }
  return static_cast<std::uint16_t>(*type);
}

Result<std::string> run_query(const QueryOptions& options) {
  const auto question = parse_question(options);
  if (!question) {
    return tl::unexpected(question.error());
  }
  const auto server = parse_server(options.server);
  if (!server) {
    return fail("--server", server.error());
  }
  const auto timeout = parse_duration(options.timeout, kMinTimeout, kMaxTimeout);
  if (!timeout) {
    return fail("--timeout", timeout.error());
  }
  const Servers servers = make_servers(*server, options.tcp, *timeout);
  ldns_pkt* received = nullptr;
  const ldns_status status = ldns_resolver_query_status(
      &received, servers.get(), question->name.get(), question->type, LDNS_RR_CLASS_IN, LDNS_RD);
  const Packet packet(received);
  if (status != LDNS_STATUS_OK || !packet) {
    return fail(ErrorCode::kNetwork,
                fmt::format("no answer from {}: {} (is a server listening there? --server names "
                            "another, --timeout waits longer)",
                            server->to_string(), ldns_get_errorstr_by_id(status)));
  }
  const Text text(ldns_pkt2str(packet.get()));
  return std::string(text.get());
}

}  // namespace meshdns::dns
