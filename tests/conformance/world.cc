#include "tests/conformance/world.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {
namespace {

using support::DnsTransport;
using support::MessageBytes;
using support::Octets;
using support::UpstreamQuery;

using Replies = std::vector<Octets>;

constexpr unsigned kTxt = 16;
constexpr unsigned kMx = 15;
constexpr unsigned kA = 1;
constexpr unsigned kPrivateType = 65280;
constexpr unsigned kRepliesAndRecurses = 0x8180;  // QR, RD, RA
constexpr std::size_t kQuestionOffset = 12;
const Octets kAddress{192, 0, 2, 1};

unsigned id_of(const UpstreamQuery& query) { return (query.octets[0] * 256U) + query.octets[1]; }

bool has_opt(const UpstreamQuery& query) { return query.octets[11] != 0; }

// The question as it came, case included.
Octets question_of(const UpstreamQuery& query) {
  std::size_t end = kQuestionOffset;
  while (query.octets.at(end) != 0) {
    end += query.octets[end] + 1U;
  }
  return {query.octets.begin() + kQuestionOffset,
          query.octets.begin() + static_cast<std::ptrdiff_t>(end) + 5};
}

struct ReplyShape {
  unsigned flags = kRepliesAndRecurses;
  unsigned id_mask = 0;
  bool opt = false;
  std::uint32_t opt_ttl = 0;
  Octets options = {};
};

// A reply with one record, owned by the question's name.
Octets reply_with(const UpstreamQuery& query, unsigned type, std::uint32_t ttl, const Octets& rdata,
                  const ReplyShape& shape = {}) {
  MessageBytes reply;
  reply.header(id_of(query) ^ shape.id_mask, shape.flags, 1, 1, 0, shape.opt ? 1 : 0);
  reply.octets(question_of(query));
  reply.pointer(kQuestionOffset).u16(type).u16(1).u32(ttl);
  reply.u16(static_cast<unsigned>(rdata.size())).octets(rdata);
  if (shape.opt) {
    reply.opt(1232, shape.opt_ttl, shape.options);
  }
  return reply.bytes();
}

Octets empty_reply(const UpstreamQuery& query, const ReplyShape& shape) {
  MessageBytes reply;
  reply.header(id_of(query), shape.flags, 1, 0, 0, shape.opt ? 1 : 0);
  reply.octets(question_of(query));
  if (shape.opt) {
    reply.opt(1232, shape.opt_ttl, shape.options);
  }
  return reply.bytes();
}

Replies big(const UpstreamQuery& query) {
  if (query.transport == DnsTransport::kUdp) {
    return {empty_reply(query, {.flags = kRepliesAndRecurses | 0x0200U})};
  }
  Octets text;
  for (int i = 0; i < 16; ++i) {
    text.push_back(250);
    text.insert(text.end(), 250, 'x');
  }
  return {reply_with(query, kTxt, 60, text)};
}

// Wrong id, a query, another question, another type; then what is true.
Replies forged(const UpstreamQuery& query) {
  const Octets lie{203, 0, 113, 66};
  Octets other_name = reply_with(query, kA, 60, lie);
  other_name[kQuestionOffset + 1] ^= 1U;
  Octets other_type = reply_with(query, kA, 60, lie);
  other_type[kQuestionOffset + question_of(query).size() - 3] = 28;
  return {reply_with(query, kA, 60, lie, {.id_mask = 0x5555}),
          reply_with(query, kA, 60, lie, {.flags = 0x0100}), other_name, other_type,
          reply_with(query, kA, 60, kAddress)};
}

Replies mail(const UpstreamQuery& query) {
  // Preference 10, "mx", and a pointer to "mail.example.".
  return {reply_with(query, kMx, 60, {0, 10, 2, 'm', 'x', 0xc0, kQuestionOffset})};
}

Replies with_options(const UpstreamQuery& query) {
  return {reply_with(query, kA, 60, kAddress,
                     {.opt = true, .options = {0,    10,   0, 8, 1, 2, 3, 4, 5, 6, 7, 8,  // COOKIE
                                               0xff, 0xee, 0, 1, 9,                       // unknown
                                               0,    12,   0, 2, 0, 0}})};                // PADDING
}

using Scene = Replies (*)(const UpstreamQuery&);

const std::map<std::string, Scene>& scenes() {
  static const std::map<std::string, Scene> kAll{
      {"nx.example.",
       [](const UpstreamQuery& q) { return Replies{empty_reply(q, {.flags = 0x8183})}; }},
      {"refused.example.",
       [](const UpstreamQuery& q) { return Replies{empty_reply(q, {.flags = 0x8185})}; }},
      {"servfail.example.",
       [](const UpstreamQuery& q) { return Replies{empty_reply(q, {.flags = 0x8182})}; }},
      {"slow.example.", [](const UpstreamQuery&) { return Replies{}; }},
      {"big.example.", big},
      {"opaque.example.",
       [](const UpstreamQuery& q) {
         return Replies{reply_with(q, kPrivateType, 60, {0xc0, 0x0c})};
       }},
      {"mail.example.", mail},
      {"high-ttl.example.",
       [](const UpstreamQuery& q) { return Replies{reply_with(q, kA, 0xffffffffU, kAddress)}; }},
      {"badvers.example.",
       [](const UpstreamQuery& q) {
         return Replies{empty_reply(q, {.opt = true, .opt_ttl = 0x01000000})};
       }},
      {"forged.example.", forged},
      {"options.example.", with_options},
      {"plain-only.example.",
       [](const UpstreamQuery& q) {
         return Replies{has_opt(q) ? empty_reply(q, {.flags = 0x8181})
                                   : reply_with(q, kA, 60, kAddress)};
       }},
      {"authentic.example.",
       [](const UpstreamQuery& q) {
         return Replies{reply_with(q, kA, 60, kAddress, {.flags = kRepliesAndRecurses | 0x20U})};
       }},
  };
  return kAll;
}

Replies play(const UpstreamQuery& query) {
  // A scene plays at its name and below, where a resolver with a cache can be made to ask again.
  for (const auto& [name, scene] : scenes()) {
    if (query.name == name || query.name.ends_with("." + name)) {
      return scene(query);
    }
  }
  if (query.type == "A") {
    return {reply_with(query, kA, 60, kAddress)};
  }
  return query.name.empty() ? Replies{} : Replies{empty_reply(query, {})};
}

}  // namespace

World::World() : upstream_(play) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.put({.name = "leaf-1", .service = "leaf.x.y.z"});
  control_plane_.put({.name = "safe-1", .service = "safe", .port = 443, .protocol = "http2"});
  control_plane_.start();
  resolver_.start_ready(control_plane_, {"--upstream", upstream_.address().to_string()});
  server_pid_ = resolver_.resolver_pid();
}

}  // namespace meshdns::conformance
