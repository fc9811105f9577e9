#include "resolver/app/query.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

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
  if (!options.type.empty()) {
    // ldns answers 0 for what it does not know.
    question.type = ldns_get_rr_type_by_name(options.type.c_str());
    if (static_cast<int>(question.type) == 0) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is no record type (write one such as AAAA or TYPE65)",
                              escape_name(options.type)));
    }
  }
  return question;
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

Result<std::string> run_query(const QueryOptions& options) {
  const auto question = parse_question(options);
  if (!question) {
    return tl::unexpected(question.error());
  }
  const auto server = SocketAddress::parse(options.server, kDnsPort);
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
