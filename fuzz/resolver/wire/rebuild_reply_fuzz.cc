// A reply of an upstream server, written anew for a client whose question is the reply's own, at
// once and by way of the form in which replies are kept, and read by ldns before and after.
//
// Input: one octet of choices (1 EDNS, 2 DO, 4 TCP, 8 trusted), two of the client's
// payload size, then the reply.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/require.h"
#include "fuzz/resolver/ldns_reading.h"
#include "resolver/wire/message_reader.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/stored_reply.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace dns = meshdns::dns;

namespace {

using meshdns::fuzz::require;
using meshdns::fuzz::require_same;

// The way of every reply that is kept: it must say the same.
void check_stored(const std::vector<std::uint8_t>& reply, const dns::Query& client,
                  const dns::RebuildOptions& options, const dns::RebuildResult& direct) {
  std::vector<std::uint8_t> buffer(dns::kMaxMessageOctets);
  dns::StoredReply stored;
  if (dns::store_reply(reply, client, buffer, stored).status != dns::RebuildStatus::kOk) {
    require(stored.message.empty());
    require(direct.status != dns::RebuildStatus::kOk || direct.truncated);
    return;
  }
  buffer.resize(dns::response_limit(client, options.transport, 1232));
  const dns::RebuildResult result = dns::write_stored_reply(stored, {}, client, options, buffer);
  require(result.status == direct.status && result.size == direct.size &&
          result.rcode == direct.rcode && result.truncated == direct.truncated);
  buffer.resize(result.size);
  require_same(meshdns::fuzz::compare_rebuilt(reply, client, result, buffer,
                                              meshdns::fuzz::Rebuilt::kFromStore));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) {
    return 0;
  }
  const unsigned choices = data[0];
  const std::vector<std::uint8_t> reply(data + 3, data + size);
  dns::Query client;
  client.flags = dns::flag::kAuthenticData;
  client.has_edns = (choices & 1U) != 0;
  client.dnssec_ok = (choices & 2U) != 0;
  client.udp_payload_size =
      std::max<std::uint16_t>(static_cast<std::uint16_t>(data[1] << 8U | data[2]), 512);
  dns::MessageReader reader(reply);
  dns::QuestionView question;
  if (reader.read_question(question)) {
    client.assign_question(question.name, question.qtype, question.qclass);
  }
  const dns::RebuildOptions options{
      (choices & 4U) != 0 ? dns::Transport::kTcp : dns::Transport::kUdp, (choices & 8U) != 0};
  std::vector<std::uint8_t> buffer(dns::response_limit(client, options.transport, 1232));
  const dns::RebuildResult result = dns::rebuild_reply(reply, client, options, buffer);
  (void)dns::inspect_reply(reply);
  require(result.size <= buffer.size());
  const std::vector<std::uint8_t> written(
      buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(result.size));
  require_same(meshdns::fuzz::compare_rebuilt(reply, client, result, written));
  check_stored(reply, client, options, result);
  if (result.status != dns::RebuildStatus::kOk) {
    return 0;
  }
  const dns::ReplyStatus status = dns::inspect_reply(written);
  require(status.parses && status.has_edns == client.has_edns && status.rcode == result.rcode &&
          status.truncated == result.truncated);
  require(dns::reply_matches(written, client, client.id));
  // Ours, read as an upstream's, comes out as it went in.
  std::vector<std::uint8_t> again(buffer.size());
  dns::RebuildOptions trusting = options;
  trusting.trusted_upstream = true;
  const dns::RebuildResult second = dns::rebuild_reply(written, client, trusting, again);
  if (!result.truncated) {
    require(second.status == dns::RebuildStatus::kOk && second.size == result.size);
    again.resize(second.size);
    require(again == written);
  }
  return 0;
}
